package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/klauspost/cpuid/v2"
	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/renderer"
	"github.com/olekukonko/tablewriter/tw"
)

// names returns the names of the rows: the baseline, its second run, and the
// others in their order.
func (r report) names() []string {
	names := []string{handtuned.name, again}
	for _, c := range contenders {
		if c.name != handtuned.name && len(r.rounds[c.name]) > 0 {
			names = append(names, c.name)
		}
	}
	return names
}

// markdown returns the report as it appears in README.md.
func (r report) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "### %s: %s\n\n", r.scenario.name, r.scenario.title)
	fmt.Fprintf(&b, "%s, %d × %s, %s/%s, %s, rounds: %d", time.Now().Format(time.DateOnly),
		runtime.NumCPU(), cpuid.CPU.BrandName, runtime.GOOS, runtime.GOARCH, runtime.Version(), len(r.rounds[again]))
	if r.scale != 1 {
		fmt.Fprintf(&b, ", at a scale of %v", r.scale)
	}
	if r.pinned {
		b.WriteString(", pinned")
	}
	b.WriteString(".\n\n" + r.ratios())
	if r.scenario.memory {
		b.WriteString("\n" + r.inUseText() + "\n")
	}
	if rows := r.verdicts(); len(rows) > 0 {
		b.WriteString("\n" + table([]string{"bar", "limit", "result", "spread of the baseline", ""}, rows))
	}
	if r.rounds.noisy() {
		fmt.Fprintf(&b, "\nThe two runs of the baseline differed by more than %.0f %%. A quieter machine gives narrower ranges.\n", 100*noisy)
	}
	if len(r.missing) > 0 {
		var absent []string
		for _, c := range contenders {
			if why := r.missing[c.name]; why != "" {
				absent = append(absent, fmt.Sprintf("%s (%s)", c.name, why))
			}
		}
		fmt.Fprintf(&b, "\nLeft out: %s.\n", strings.Join(absent, ", "))
	}
	return b.String()
}

// ratios returns a table with the baseline's own numbers in its first row, and
// below it the ratios of the others to the baseline.
func (r report) ratios() string {
	columns := []measure{wall, cpu, allocs, bytesAllocated, rss}
	absolute := []measure{connections}
	if r.scenario.latency {
		absolute = append(absolute, p50, p99)
	}
	if len(r.rounds.values(abreastGet.name, queued)) > 0 {
		absolute = append(absolute, queued)
	}
	header := []string{"", "wall", "client CPU", "allocations", "bytes", "peak RSS"}
	for _, m := range absolute {
		header = append(header, m.name)
	}
	var rows [][]string
	for _, name := range r.names() {
		row := []string{name}
		for _, m := range columns {
			values, text := r.rounds.values(name, m), m.text
			if name != handtuned.name {
				values, text = r.rounds.against(name, m, quotient), ratio
			}
			row = append(row, cell(values, text))
		}
		for _, m := range absolute {
			row = append(row, cell(r.rounds.values(name, m), m.text))
		}
		rows = append(rows, row)
	}
	return table(header, rows)
}

// cell returns the median, and the minimum and the maximum if they differ.
func cell(values []float64, text func(float64) string) string {
	if len(values) == 0 {
		return "—"
	}
	s := summarize(values)
	median, least, most := text(s.median), text(s.min), text(s.max)
	if least == most {
		return median
	}
	return fmt.Sprintf("%s (%s to %s)", median, least, most)
}

// verdicts returns a row for each bar.
func (r report) verdicts() (rows [][]string) {
	for _, b := range r.scenario.bars {
		if v, ok := b.judge(r.rounds); ok {
			rows = append(rows, v.cells())
		}
	}
	return rows
}

// table returns a Markdown table.
func table(header []string, rows [][]string) string {
	var b strings.Builder
	t := tablewriter.NewTable(&b,
		tablewriter.WithRenderer(renderer.NewMarkdown()),
		tablewriter.WithHeaderAutoFormat(tw.Off),
		tablewriter.WithHeaderAlignment(tw.AlignLeft),
		tablewriter.WithRowAutoWrap(tw.WrapNone),
	)
	t.Header(header)
	t.Bulk(rows)
	t.Render()
	return b.String()
}

// write puts the report into README.md in the folder, between its marks, and
// the chart into results/.
func (r report) write(folder string) error {
	chart := filepath.Join("results", r.scenario.name+".svg")
	if err := os.MkdirAll(filepath.Join(folder, "results"), 0o777); err != nil {
		return err
	}
	if err := r.chart(filepath.Join(folder, chart)); err != nil {
		return err
	}
	name := filepath.Join(folder, "README.md")
	readme, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	text := fmt.Sprintf("%s\n![%s: wall and client CPU](%s)\n", r.markdown(), r.scenario.name, filepath.ToSlash(chart))
	if r.scenario.memory {
		curves := filepath.Join("results", r.scenario.name+"-memory.svg")
		if err := r.curves(filepath.Join(folder, curves)); err != nil {
			return err
		}
		text += fmt.Sprintf("\n![%s: memory](%s)\n", r.scenario.name, filepath.ToSlash(curves))
	}
	return os.WriteFile(name, []byte(between(string(readme), r.scenario.name, text)), 0o666)
}

// between replaces the text between the marks of a scenario. If there are no
// marks, it adds them at the end.
func between(readme, name, text string) string {
	begin, end := fmt.Sprintf("<!-- %s -->\n", name), fmt.Sprintf("<!-- end of %s -->\n", name)
	before, rest, ok := strings.Cut(readme, begin)
	_, after, ended := strings.Cut(rest, end)
	if !ok || !ended {
		before, after = strings.TrimRight(readme, "\n")+"\n\n", ""
	}
	return before + begin + text + end + after
}
