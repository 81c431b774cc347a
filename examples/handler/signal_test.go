//go:build unix

package main

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
)

func TestSignal_finishesPages(t *testing.T) {
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		t.Run(signal.String(), func(t *testing.T) {
			dir := t.TempDir()
			t.Setenv("TMPDIR", dir)
			cmd, url := running(t)
			visitor := client.Client{BaseURL: url}
			err := visitor.Parallel(t.Context(), func(p *parallel.Parallel) error {
				page := p.Get("/product/3") // whose reviews never come
				for {
					metrics, err := p.Get("/metrics").Bytes()
					if err != nil {
						return err
					}
					if strings.Contains(string(metrics), `shop_requests_in_flight{service="reviews"} 1`) {
						break
					}
					select {
					case <-page.Done(): // a slow machine: once more
						page = p.Get("/product/3")
					default:
					}
				}
				if err := cmd.Process.Signal(signal); err != nil {
					return err
				}
				body, err := page.Bytes()
				if err == nil && !strings.Contains(string(body), "The reviews are late") {
					t.Errorf("the page is\n%s", body)
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("the program: %v", err)
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
				t.Errorf("%v is left behind (%v)", left, err)
			}
		})
	}
}
