package main

func Example() {
	main()
	// Output:
	// slept 100ms
	// slept 200ms
	// slept 300ms
}
