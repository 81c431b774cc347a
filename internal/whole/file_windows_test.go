package whole

import "testing"

// The devices and streams of Windows are not names of files.
func TestCheck_windows(t *testing.T) {
	for _, name := range []string{"NUL", "con", `C:\Temp\COM1.txt`, "CONOUT$", `C:\Temp\name:stream`, `C:\`, `\`, `..`} {
		if got, err := Check(name); err == nil {
			t.Errorf("Check(%q) = %q, nil; want an error", name, got.path)
		}
	}
	for _, name := range []string{`C:\Temp\console`, "nul1", `C:report.pdf`} {
		if _, err := Check(name); err != nil {
			t.Errorf("Check(%q) error = %v", name, err)
		}
	}
}
