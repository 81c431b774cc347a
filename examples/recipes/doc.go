// Package recipes is the parts that programs already use, at home with abreast: one
// file for each, to be copied, and beside it a test with a runnable Example. README.md
// has a table of them, WARNINGS.md what is known of some that are not recommended, or
// not without a word.
package recipes
