//go:build linux

package interop

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// A process is a command that a test has started, with the processes that it
// has started itself: they form a group.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when the command has ended
}

// spawn starts a command in dir. What it prints is appended to a file there.
func spawn(t *testing.T, dir, output, name string, args ...string) *process {
	t.Helper()
	out, err := os.OpenFile(filepath.Join(dir, output), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	p := &process{cmd: exec.Command(name, args...), done: make(chan struct{})}
	p.cmd.Dir = dir
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.Env = append(os.Environ(), "PYTHONUNBUFFERED=1")
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.cmd.Wait()
		close(p.done)
	}()
	return p
}

// ended reports whether the command has ended.
func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// group sends a signal to the command and to the processes that it has started.
func (p *process) group(sig syscall.Signal) { syscall.Kill(-p.cmd.Process.Pid, sig) }

// stop ends the command as a person would, and kills what is left.
func (p *process) stop() {
	p.group(syscall.SIGCONT)
	syscall.Kill(p.cmd.Process.Pid, syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(300 * time.Millisecond):
	}
	p.kill()
}

// kill ends the command and the processes that it has started with SIGKILL. It
// waits for all of them: one that is still ending may listen on the server's
// port.
func (p *process) kill() {
	p.group(syscall.SIGKILL)
	<-p.done
	for { // what the command has started belongs to this process now: see adopt
		if _, err := syscall.Wait4(-p.cmd.Process.Pid, nil, 0, nil); err != nil && err != syscall.EINTR {
			return
		}
	}
}

// adopt lets this process wait for processes whose parent has ended before them.
func adopt() {
	const setChildSubreaper = 36 // of linux/prctl.h
	syscall.RawSyscall(syscall.SYS_PRCTL, setChildSubreaper, 1, 0)
}
