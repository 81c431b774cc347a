package main

import "testing"

func TestPrograms_acceptEachOrderOnce(t *testing.T) {
	for name, p := range map[string]program{"abreast": withAbreast, "resty": withResty} {
		for _, inOrder := range []bool{false, true} {
			if _, _, err := once(p, 200, inOrder); err != nil {
				t.Errorf("%s, in order = %v: %v", name, inOrder, err)
			}
		}
	}
	if n := lines("abreast.go"); n > 50 {
		t.Errorf("the program with abreast has %d lines; want at most 50", n)
	}
}
