package main

import (
	"regexp"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
)

// One after another, the services' times add up. Concurrently, the page takes
// as long as the slowest.
func TestCompare_bothWays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := newShop(t, services())
		text, _ := get(t.Context(), s, "/compare.txt")
		got := regexp.MustCompile(`(?m)^(One .*|Side .*|GET \S+|.* requests in .*)| \S+s  \d{3} `).FindAllString(text.Body.String(), -1)
		want := []string{
			"One after another: 320ms", "3 requests in 320ms",
			"GET price/7", "   40ms  200 ", "GET reviews/7", "  200ms  200 ", "GET recommendations/7", "  320ms  200 ",
			"Side by side: 160ms", "3 requests in 160ms",
			"GET price/7", "   40ms  200 ", "GET reviews/7", "  160ms  200 ", "GET recommendations/7", "  120ms  200 ",
		}
		for i := range got {
			got[i] = strings.TrimSpace(got[i])
		}
		for i := range want {
			want[i] = strings.TrimSpace(want[i])
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want +got:\n%s\n%s", diff, text.Body)
		}
	})
}

func TestCompare_showsBothPictures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := newShop(t, services())
		page, _ := get(t.Context(), s, "/compare")
		got := regexp.MustCompile(`<svg |<b>\d+ ms</b>|<text class="title"[^<]*`).FindAllString(page.Body.String(), -1)
		for i := range got {
			if _, title, ok := strings.Cut(got[i], ">"); ok && title != "" {
				got[i] = title
			}
		}
		want := []string{"320 ms</b>", "160 ms</b>", "<svg ", "3 requests in 320ms", "<svg ", "3 requests in 160ms"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want +got:\n%s\n%s", diff, page.Body)
		}
	})
}
