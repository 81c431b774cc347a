// Bench does the same work with this library and with the clients that people
// use otherwise, and prints how they compare with net/http tuned by hand:
//
//	go run -C bench .                       # S1 to S9; a quarter of an hour or more
//	go run -C bench . -scenarios 'S1|S2'    # some of them
//	go run -C bench . -scale 0.01 -rounds 1 # does it work?
//	go run -C bench . -scenarios . -write . # everything, into README.md and results/
//
// The program has three roles. "bench upstream" is the server of one run,
// "bench run" does the work of one scenario with one contender, and without
// such an argument the program starts the others and compares their results.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("bench: ")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := play(ctx, os.Args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		log.Fatal(err)
	}
}

// play runs the program in the role that args give it.
func play(ctx context.Context, args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case "upstream":
			return serve(args[1:], os.Stdin, os.Stdout)
		case "run":
			return run(ctx, args[1:], os.Stdout)
		}
	}
	return drive(ctx, args)
}

// drive measures the chosen scenarios and prints the results.
func drive(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	which := flags.String("scenarios", "^S", "run the scenarios whose names match this `regexp`")
	whom := flags.String("contenders", ".", "run the contenders whose names match this `regexp`; the baseline always runs")
	var d driver
	flags.IntVar(&d.rounds, "rounds", 5, "run `n` rounds, an odd number; if n is more than 1, up to\n"+
		"three times as many while the baseline's two runs differ by more than 5 %")
	flags.Float64Var(&d.scale, "scale", 1, "send only this `part` of the requests, to check that the program works")
	flags.BoolVar(&d.pinned, "pin", false, "give the contender one core and the upstream another, with taskset of util-linux")
	write := flags.String("write", "", "write the tables into README.md in this `folder` and the charts into its results/")
	if err := flags.Parse(args); err != nil {
		return err
	}
	switch {
	case flags.NArg() > 0:
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case d.rounds < 1 || d.rounds%2 == 0:
		return fmt.Errorf("-rounds %d: must be odd and positive, so that the median is a measured value", d.rounds)
	case !(d.scale > 0 && d.scale <= 1):
		return fmt.Errorf("-scale %v: must be more than 0 and at most 1", d.scale)
	}
	if d.pinned {
		if _, err := exec.LookPath("taskset"); err != nil {
			return fmt.Errorf("-pin: %w", err)
		}
	}
	chosen, err := matching(scenarios, *which, func(s scenario) string { return s.name })
	if err != nil {
		return fmt.Errorf("-scenarios: %w", err)
	}
	who, err := matching(contenders, *whom, func(c contender) string { return c.name })
	if err != nil {
		return fmt.Errorf("-contenders: %w", err)
	}
	if d.self, err = os.Executable(); err != nil {
		return err
	}
	if d.folder, err = os.MkdirTemp("", "bench"); err != nil {
		return err
	}
	defer os.RemoveAll(d.folder)

	for _, s := range chosen {
		r, err := d.measure(ctx, s, who)
		if err != nil {
			return err
		}
		fmt.Println(r.markdown())
		if *write != "" {
			if err := r.write(*write); err != nil {
				return err
			}
		}
	}
	return nil
}

// matching returns the elements of all whose names match expr. It returns an
// error if there are none.
func matching[T any](all []T, expr string, name func(T) string) (some []T, err error) {
	re, err := regexp.Compile(expr)
	if err != nil {
		return nil, err
	}
	for _, one := range all {
		if re.MatchString(name(one)) {
			some = append(some, one)
		}
	}
	if some == nil {
		var names []string
		for _, one := range all {
			names = append(names, name(one))
		}
		return nil, fmt.Errorf("%q matches none of %q", expr, names)
	}
	return some, nil
}
