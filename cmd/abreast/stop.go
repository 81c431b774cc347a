package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// A stopper ends a run early, in two steps. First no further line is begun.
// After a time of grace, what is still in flight is canceled.
type stopper struct {
	begin context.Context // done: no further line is begun
	run   context.Context // done: what is in flight is canceled
	grace time.Duration

	stopBegin, cancelRun context.CancelCauseFunc
}

func newStopper(grace time.Duration) *stopper {
	s := &stopper{grace: grace}
	s.run, s.cancelRun = context.WithCancelCause(context.Background())
	s.begin, s.stopBegin = context.WithCancelCause(s.run)
	return s
}

// stop ends the run because of why.
func (s *stopper) stop(why error) {
	s.stopBegin(why)
	time.AfterFunc(s.grace, func() { s.cancelRun(why) })
}

// onSignal stops the run at the first Ctrl-C or SIGTERM, and then calls told.
// The second is not caught and kills the program.
func (s *stopper) onSignal(told func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		by := <-signals
		signal.Reset(os.Interrupt, syscall.SIGTERM)
		s.stop(stopped{by})
		told()
	}()
	// By default, writing to a closed pipe kills the program, which would leave
	// parts of files behind. Now the write fails.
	signal.Ignore(syscall.SIGPIPE)
}

// cause returns why the run was stopped, or nil.
func (s *stopper) cause() error { return context.Cause(s.begin) }

// stopped is the cause of a stop by a signal. Like tooMany, it matches
// context.Canceled: it is the error of a line that was between two attempts.
type stopped struct{ by os.Signal }

func (s stopped) Error() string        { return "stopped by a signal (" + s.by.String() + ")" }
func (s stopped) Is(target error) bool { return target == context.Canceled }

func (s stopped) status() int {
	if s.by == syscall.SIGTERM {
		return 128 + 15
	}
	return 128 + 2
}

// tooMany is the cause of a stop by -fail.
type tooMany int

func (n tooMany) Error() string        { return "stopped after " + counted(int(n), "failure") + " (-fail)" }
func (n tooMany) Is(target error) bool { return target == context.Canceled }
