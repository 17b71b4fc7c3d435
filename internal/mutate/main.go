// Command mutate changes one operator, boolean or statement of a package at a
// time, and reports the changes that the package's tests do not notice.
//
//	mutate [-run TESTS] [-skip TESTS] [-files FILES] [-known FILE] [-least PERCENT] DIR
//
// All changes are compiled into one test binary, and an environment variable
// selects one of them: a change costs a run of the tests and no build. A change
// that the file of known survivors names is not reported.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"strings"
	"time"
)

// options are the flags of the command.
type options struct {
	dir     string         // the package's folder
	run     string         // the tests, as in go test -run
	skip    string         // those of them that are left out, as in go test -skip
	files   *regexp.Regexp // the files that are changed, by base name
	known   string         // a text that names the survivors with a reason
	least   float64        // percent of changes that the tests must notice
	workers int
	keep    string // the folder for the test binary; "" is a temporary one
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		stop()
		os.Exit(1)
	}
}

func parse(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("mutate", flag.ContinueOnError)
	flags.StringVar(&o.run, "run", ".", "the `TESTS` that must notice a change, as in go test -run")
	flags.StringVar(&o.skip, "skip", "", "the `TESTS` that are left out, as in go test -skip")
	files := flags.String("files", `.`, "the `FILES` that are changed: a pattern of base names")
	flags.StringVar(&o.known, "known", "", "a `FILE` that names survivors with their reasons")
	flags.Float64Var(&o.least, "least", 90, "the `PERCENT` of the changes that must be noticed")
	flags.IntVar(&o.workers, "workers", runtime.NumCPU(), "`N` changes tried at the same time")
	flags.StringVar(&o.keep, "keep", "", "leave the test binary and the changed files in this `DIR`")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() != 1 {
		return o, errors.New("name one folder of a package")
	}
	o.dir = flags.Arg(0)
	var err error
	o.files, err = regexp.Compile(*files)
	return o, err
}

func run(ctx context.Context, args []string) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	known := ""
	if o.known != "" {
		b, err := os.ReadFile(o.known)
		if err != nil {
			return err
		}
		known = string(b)
	}
	work := o.keep
	if work == "" {
		if work, err = os.MkdirTemp("", "mutate"); err != nil {
			return err
		}
		defer os.RemoveAll(work)
	}
	p, err := load(ctx, o)
	if err != nil {
		return err
	}
	binary, err := p.build(ctx, work)
	if err != nil {
		return err
	}
	began := time.Now()
	survivors, err := try(ctx, o, binary, p.mutants)
	if err != nil {
		return err
	}
	unnamed := 0
	for _, m := range survivors {
		if strings.Contains(known, m.String()) {
			continue
		}
		unnamed++
		fmt.Printf("%s:%d\t%s\n", m.file, m.line, m)
	}
	noticed := len(p.mutants) - len(survivors)
	share := 100 * float64(noticed) / float64(max(len(p.mutants), 1))
	fmt.Printf("%s: %d of %d noticed (%.1f %%), %d survivors without a reason, %s\n",
		o.dir, noticed, len(p.mutants), share, unnamed, time.Since(began).Round(time.Second))
	if share < o.least || o.known != "" && unnamed > 0 {
		return fmt.Errorf("%s: at least %.0f %% must be noticed, and each survivor named in %s", o.dir, o.least, o.known)
	}
	return nil
}
