package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/tools/go/packages"
)

// changed is a package whose changes can be selected.
type changed struct {
	dir     string
	name    string
	files   map[string][]byte // the changed sources, by path
	mutants []mutant
}

func load(ctx context.Context, o options) (*changed, error) {
	dir, err := filepath.Abs(o.dir)
	if err != nil {
		return nil, err
	}
	list, err := packages.Load(&packages.Config{
		Context: ctx, Dir: dir,
		Mode: packages.NeedName | packages.NeedFiles | packages.NeedSyntax | packages.NeedTypes | packages.NeedTypesInfo | packages.NeedImports | packages.NeedDeps,
	}, ".")
	if err != nil {
		return nil, err
	}
	if len(list) != 1 || len(list[0].Errors) > 0 {
		return nil, fmt.Errorf("%s: no package that compiles: %v", o.dir, list)
	}
	p := list[0]
	out := &changed{dir: dir, name: p.Name, files: map[string][]byte{}}
	for _, file := range p.Syntax {
		path := p.Fset.Position(file.Package).Filename
		if !o.files.MatchString(strings.TrimSuffix(filepath.Base(path), ".go")) {
			continue
		}
		c := &changer{fset: p.Fset, info: p.TypesInfo, pkg: p.Types, file: filepath.Base(path), imports: map[string]string{}, mutants: &out.mutants}
		for _, i := range file.Imports {
			if imported := p.TypesInfo.PkgNameOf(i); imported != nil {
				c.imports[imported.Imported().Path()] = imported.Name()
			}
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Body != nil {
				c.rewrite(f)
			}
		}
		file.Comments = nil // their places are wrong now
		var b bytes.Buffer
		if err := format.Node(&b, p.Fset, file); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		out.files[path] = b.Bytes()
	}
	if len(out.mutants) == 0 {
		return nil, fmt.Errorf("%s: nothing to change", o.dir)
	}
	return out, nil
}

// build compiles the test binary with all changes.
func (p *changed) build(ctx context.Context, work string) (string, error) {
	work, err := filepath.Abs(work)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(work, 0o755); err != nil {
		return "", err
	}
	replaced := map[string]string{}
	put := func(path string, text []byte) error {
		to := filepath.Join(work, filepath.Base(path))
		replaced[path] = to
		return os.WriteFile(to, text, 0o644)
	}
	for path, text := range p.files {
		if err := put(path, text); err != nil {
			return "", err
		}
	}
	choice := fmt.Sprintf("package %s\n\nimport (\n\t\"os\"\n\t\"strconv\"\n)\n\nvar %s, _ = strconv.Atoi(os.Getenv(\"MUTANT\"))\n", p.name, selected)
	if err := put(filepath.Join(p.dir, "selected_mutant.go"), []byte(choice)); err != nil {
		return "", err
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replaced})
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(work, "overlay.json"), overlay, 0o644); err != nil {
		return "", err
	}
	binary := filepath.Join(work, "mutants.test")
	cmd := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-overlay", filepath.Join(work, "overlay.json"), "-o", binary, ".")
	cmd.Dir = p.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the changed package: %w\n%s", err, out)
	}
	return binary, nil
}

// try runs the tests with each change, and returns those that no test notices.
func try(ctx context.Context, o options, binary string, list []mutant) ([]mutant, error) {
	began := time.Now()
	if passed, out := once(ctx, o, binary, 0, time.Hour); !passed {
		return nil, fmt.Errorf("the tests fail without a change:\n%s", out)
	}
	// A change may make a loop endless: that is noticed, too.
	limit := 10*time.Since(began) + 10*time.Second
	survived := make([]bool, len(list))
	next := make(chan int)
	var workers sync.WaitGroup
	for range o.workers {
		workers.Go(func() {
			for i := range next {
				survived[i], _ = once(ctx, o, binary, i+1, limit)
			}
		})
	}
	for i := range list {
		next <- i
	}
	close(next)
	workers.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var out []mutant
	for i, m := range list {
		if survived[i] {
			out = append(out, m)
		}
	}
	return out, nil
}

// once runs the tests with one change. A run that takes longer than the limit did
// not pass.
func once(ctx context.Context, o options, binary string, n int, limit time.Duration) (passed bool, output []byte) {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errors.New("too slow"))
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, "-test.run", o.run, "-test.skip", o.skip, "-test.failfast")
	cmd.Dir = o.dir
	cmd.Env = append(os.Environ(), fmt.Sprintf("MUTANT=%d", n))
	cmd.WaitDelay = time.Second
	output, err := cmd.CombinedOutput()
	return err == nil, output
}
