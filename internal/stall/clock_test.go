package stall_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/abreast-go/abreast/internal/stall"
)

func TestClock(t *testing.T) {
	const s = time.Second
	progress, pause, resume := (*stall.Clock).Progress, (*stall.Clock).Pause, (*stall.Clock).Resume
	type step struct {
		at time.Duration
		do func(*stall.Clock)
	}
	for name, tc := range map[string]struct {
		steps []step
		ends  time.Duration // with a limit of ten seconds
	}{
		"no progress":              {nil, 10 * s},
		"progress":                 {[]step{{9 * s, progress}, {18 * s, progress}}, 28 * s},
		"progress, many times":     {[]step{{1 * s, progress}, {2 * s, progress}, {3 * s, progress}}, 13 * s},
		"a short pause":            {[]step{{4 * s, pause}, {7 * s, resume}}, 13 * s},
		"a long pause":             {[]step{{4 * s, pause}, {90 * s, resume}}, 96 * s},
		"two pauses":               {[]step{{4 * s, pause}, {90 * s, resume}, {91 * s, pause}, {92 * s, resume}}, 97 * s},
		"a pause after progress":   {[]step{{4 * s, progress}, {5 * s, pause}, {90 * s, resume}}, 99 * s},
		"progress in a pause":      {[]step{{4 * s, pause}, {6 * s, progress}, {90 * s, resume}}, 100 * s},
		"progress after a pause":   {[]step{{4 * s, pause}, {90 * s, resume}, {91 * s, progress}}, 101 * s},
		"a pause that never ends":  {[]step{{4 * s, pause}}, 0},
		"a pause, then a stop":     {[]step{{4 * s, pause}, {90 * s, (*stall.Clock).Stop}, {91 * s, resume}}, 0},
		"a stop":                   {[]step{{9 * s, (*stall.Clock).Stop}, {9 * s, progress}}, 0},
		"a stop and another pause": {[]step{{9 * s, (*stall.Clock).Stop}, {9 * s, pause}, {30 * s, resume}}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				var ended []time.Duration
				c := stall.Start(10*s, func() { ended = append(ended, time.Since(start)) })
				for _, step := range tc.steps {
					time.Sleep(time.Until(start.Add(step.at)))
					step.do(c)
				}
				deadline, ok := c.Deadline()
				if d := deadline.Sub(start); ok != (tc.ends > 0) || ok && d != tc.ends {
					t.Errorf("Deadline() = %v, %t; want %v, %t", d, ok, tc.ends, tc.ends > 0)
				}
				time.Sleep(time.Hour)
				synctest.Wait()
				switch {
				case tc.ends == 0 && len(ended) > 0:
					t.Errorf("it ended after %v, want no end", ended)
				case tc.ends > 0 && (len(ended) != 1 || ended[0] != tc.ends):
					t.Errorf("it ended after %v, want once after %v", ended, tc.ends)
				}
				if _, ok := c.Deadline(); ok {
					t.Error("Deadline() reports that a clock runs which has ended")
				}
			})
		})
	}
}

// A nil Clock does nothing.
func TestClock_nil(t *testing.T) {
	var c *stall.Clock
	c.Progress()
	c.Pause()
	c.Resume()
	c.Stop()
	if _, ok := c.Deadline(); ok {
		t.Error("Deadline() of a nil Clock reports that it runs")
	}
}
