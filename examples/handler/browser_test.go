//go:build chromium

package main

import (
	"bytes"
	"context"
	"flag"
	"image"
	"image/draw"
	"image/png"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"
)

// These tests look at the shop through Chromium, which is to be installed:
//
//	go test -C examples -tags chromium ./handler
//
// The README's picture is made anew by adding: -run Screenshot -screenshot
// screenshot.png
var screenshot = flag.String("screenshot", "", "write the picture of the shop to `FILE`")

// A browser is a window that a visitor looks through.
type browser struct {
	t   *testing.T
	ctx context.Context
	url string // of the shop
}

func newBrowser(t *testing.T) *browser {
	s, url := open(t, services())
	s.patience = 2 * time.Second // on a slow machine too, only what is to be late is late
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.NoSandbox, // which root can't have
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.WSURLReadTimeout(time.Minute), // a slow machine
	)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	b := &browser{t, ctx, url}
	b.looks(1000, "light")
	return b
}

func (b *browser) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

func (b *browser) visit(path string) { b.t.Helper(); b.do(chromedp.Navigate(b.url + path)) }

// looks sets the width of the window, and what its visitor prefers.
func (b *browser) looks(width int64, scheme string) {
	b.t.Helper()
	b.do(chromedp.EmulateViewport(width, 900), chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return err
	}))
}

// eval is what a script finds in the page.
func eval[T any](b *browser, script string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](script))
	if err != nil {
		b.t.Fatal(err)
	}
	return v
}

// text is what a visitor can read there.
func (b *browser) text(selector string) string {
	b.t.Helper()
	return eval[string](b, `document.querySelector("`+selector+`").innerText`)
}

func (b *browser) says(selector, text string) {
	b.t.Helper()
	if got := b.text(selector); !strings.Contains(got, text) {
		b.t.Errorf("%s says %q, want %q in it", selector, got, text)
	}
}

func TestBrowser_findsProduct(t *testing.T) {
	b := newBrowser(t)
	b.visit("/")
	if _, err := chromedp.RunResponse(b.ctx, chromedp.Click(chromedp.CSS(`a[href="/product/7"]`))); err != nil {
		t.Fatal(err)
	}
	if got := eval[string](b, "document.title"); got != "Gooseneck kettle" {
		t.Errorf("the title is %q", got)
	}
	b.says("h1", "Gooseneck kettle")
	b.says("#price", "€ 54.90")
	b.says("#reviews", "★★★★★ Grace\nPours a line")
	b.says("#similar", "Pour-over stand")
	b.says("footer", "Gathered in ")
	if n := eval[int](b, `document.querySelectorAll(".missing").length`); n != 0 {
		t.Errorf("%d parts are missing", n)
	}
}

func TestBrowser_missingParts(t *testing.T) {
	b := newBrowser(t)
	b.visit("/product/3")
	b.says("h1", "Espresso machine")
	b.says("#price", "€ 649.00")
	b.says("#reviews .missing", "The reviews are late")
	b.visit("/product/999")
	b.says("h1", "There is no such product.")
}

// A review that is a script is read, and not run.
func TestBrowser_foreignText(t *testing.T) {
	b := newBrowser(t)
	b.visit("/product/5")
	b.says("h1", "Filter papers <size 02>")
	b.says("#reviews", "<script>document.title = 'mine'</script>\n<b>Paper</b> & water")
	if got := eval[string](b, "document.title"); got != "Filter papers <size 02>" {
		t.Errorf("the title is %q", got)
	}
	if n := eval[int](b, "document.scripts.length"); n != 0 {
		t.Errorf("there are %d scripts in the page", n)
	}
}

// Both pictures are seen whole, in wide windows and narrow ones, by day and by
// night.
func TestBrowser_bothWaterfalls(t *testing.T) {
	type sight struct {
		Pictures []string // the title of each that is to be seen, without its time
		Rows     []int
		Whole    bool // nothing is cut off at the side
		Ground   string
		Picture  string // its ground
	}
	b := newBrowser(t)
	pictures, rows := []string{"3 requests in", "3 requests in"}, []int{3, 3}
	for _, tt := range []struct {
		width  int64
		scheme string
		want   sight
	}{
		{1000, "light", sight{pictures, rows, true, "rgb(250, 248, 245)", "rgb(255, 255, 255)"}},
		{400, "light", sight{pictures, rows, true, "rgb(250, 248, 245)", "rgb(255, 255, 255)"}},
		{1000, "dark", sight{pictures, rows, true, "rgb(22, 20, 18)", "rgb(13, 17, 23)"}},
	} {
		b.looks(tt.width, tt.scheme)
		b.visit("/compare")
		got := eval[sight](b, `(() => {
			const seen = [...document.querySelectorAll("svg")].filter(s => s.getBoundingClientRect().width > 300 && s.getBoundingClientRect().height > 50)
			return {
				Pictures: seen.map(s => s.querySelector(".title").textContent.replace(/ [^ ]*s$/, "")),
				Rows: seen.map(s => [...s.querySelectorAll("text")].filter(t => t.textContent.startsWith("GET ")).length),
				Whole: document.documentElement.scrollWidth <= innerWidth,
				Ground: getComputedStyle(document.body).backgroundColor,
				Picture: getComputedStyle(seen[0].querySelector(".ground")).fill,
			}
		})()`)
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%d wide, %s: -want +got:\n%s", tt.width, tt.scheme, diff)
		}
	}
}

// The README's picture: a product's page, and below it the comparison.
func TestScreenshot(t *testing.T) {
	b := newBrowser(t)
	var shots []image.Image
	b.visit("/product/1")
	b.visit("/product/2") // of the third page a part is missing
	for _, path := range []string{"/product/7", "/compare"} {
		b.visit(path)
		b.do(chromedp.EmulateViewport(1000, 100)) // the picture is as high as its page
		const asPNG = 100
		shot, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(asPNG))
		if err != nil {
			t.Fatal(err)
		}
		img, err := png.Decode(bytes.NewReader(shot))
		if err != nil {
			t.Fatal(err)
		}
		shots = append(shots, img)
	}
	above, below := shots[0].Bounds(), shots[1].Bounds()
	both := image.NewRGBA(image.Rect(0, 0, above.Dx(), above.Dy()+below.Dy()))
	draw.Draw(both, above, shots[0], above.Min, draw.Src)
	draw.Draw(both, image.Rect(0, above.Dy(), above.Dx(), both.Rect.Dy()), shots[1], below.Min, draw.Src)
	for i := range both.Pix {
		both.Pix[i] |= 3 // which nobody sees, and which makes the file smaller
	}
	var file bytes.Buffer
	small := png.Encoder{CompressionLevel: png.BestCompression}
	if err := small.Encode(&file, both); err != nil {
		t.Fatal(err)
	}
	const most = 150 << 10
	if size := both.Rect.Size(); size.X < 900 || size.Y < 900 || file.Len() > most {
		t.Errorf("the picture is %v large and has %d bytes, want %d at most", size, file.Len(), most)
	}
	if *screenshot == "" {
		return
	}
	if err := os.WriteFile(*screenshot, file.Bytes(), 0o666); err != nil {
		t.Error(err)
	}
}
