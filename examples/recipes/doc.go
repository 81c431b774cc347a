// Package recipes shows how to use common packages together with abreast. Each
// recipe is one file to copy, with a test and a runnable Example next to it.
// README.md lists them. WARNINGS.md reports what was measured of packages that
// need care.
package recipes
