package realollama

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// Version is the Ollama that is built: the newest whose runner is part of the
// one program.
const Version = "0.17.4"

// ErrUnavailable is wrapped where the server can't be built or run on this
// machine; the error's text says what is missing, in one line.
var ErrUnavailable = errors.New("no real Ollama on this machine")

// optimize is a compromise: at -O2 the build takes half as long again, at -O0
// the models answer at a tenth of the speed.
const optimize = "-O1 -g0"

// The module that pins the engine. Its files carry another ending, because a
// folder with a go.mod could not be embedded.
//
//go:embed engine/go.mod.in engine/go.sum.in engine/miniaudio/miniaudio.h ctl/main.go
var sources embed.FS

// program is one of the two programs a server needs. Each has a folder of its
// own, so that a change of the small one does not build the large one again.
type program struct {
	name    string
	files   map[string]string // embedded file: its place in the build's folder
	pkg     string
	ldflags string
}

var engine = program{
	name: "ollama",
	files: map[string]string{
		"engine/go.mod.in":             "go.mod",
		"engine/go.sum.in":             "go.sum",
		"engine/miniaudio/miniaudio.h": "include/miniaudio/miniaudio.h",
	},
	pkg: "github.com/ollama/ollama",
	// Without its version the server says that it is 0.0.0.
	ldflags: "-s -w -X github.com/ollama/ollama/version.Version=" + Version,
}

var control = program{
	name:    "ctl",
	files:   map[string]string{"ctl/main.go": "main.go"},
	pkg:     "main.go",
	ldflags: "-s -w",
}

// Build returns the path of the Ollama program, and builds it first where this
// user's cache folder does not hold it yet. That takes about two minutes on
// two cores, and a download of 500 MB from the Go module proxy where the
// module is not in the module cache. Processes that call it at the same time
// wait for the one that builds. The error wraps [ErrUnavailable] where
// something is missing on this machine.
func Build(ctx context.Context) (path string, err error) {
	if runtime.GOOS != "linux" && runtime.GOOS != "darwin" {
		return "", fmt.Errorf("%w: the harness runs on Linux and macOS", ErrUnavailable)
	}
	if _, err := control.get(ctx); err != nil {
		return "", err
	}
	return engine.get(ctx)
}

// built reports whether a call to Build would return at once.
func built() bool { return control.there() && engine.there() }

// get returns the path of the program and builds it where it isn't there.
func (p program) get(ctx context.Context) (path string, err error) {
	dir, err := p.dir()
	if err != nil {
		return "", err
	}
	path = filepath.Join(dir, p.name)
	if p.there() {
		return path, nil
	}
	if err := tools(ctx); err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	lock := flock.New(filepath.Join(dir, "lock"))
	if _, err := lock.TryLockContext(ctx, 100*time.Millisecond); err != nil {
		return "", fmt.Errorf("wait for another build of %s: %w", p.name, err)
	}
	defer lock.Close()
	if p.there() { // another process built it meanwhile
		return path, nil
	}
	return path, p.build(ctx, dir)
}

func (p program) there() bool {
	dir, err := p.dir()
	if err != nil {
		return false
	}
	info, err := os.Stat(filepath.Join(dir, p.name))
	return err == nil && info.Mode().IsRegular()
}

// dir is keyed by everything that the program depends on.
func (p program) dir() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	fmt.Fprintln(sum, optimize, p.pkg, p.ldflags, runtime.GOOS, runtime.GOARCH)
	for _, from := range slices.Sorted(maps.Keys(p.files)) {
		b, err := sources.ReadFile(from)
		if err != nil {
			return "", err
		}
		fmt.Fprintln(sum, p.files[from], len(b))
		sum.Write(b)
	}
	key := p.name + "-" + Version + "-" + hex.EncodeToString(sum.Sum(nil))[:12]
	return filepath.Join(cache, "jarvis-test", key), nil
}

// tools says in one line what is missing for a build.
func tools(ctx context.Context) error {
	if _, err := exec.LookPath("go"); err != nil {
		return fmt.Errorf("%w: the go command is not in the PATH", ErrUnavailable)
	}
	const install = "install them (Debian: apt-get install g++ nlohmann-json3-dev libstb-dev)"
	out, err := goCommand(ctx, ".", "env", "CXX").Output()
	compiler := strings.Fields(string(out))
	if err != nil || len(compiler) == 0 {
		return fmt.Errorf("%w: go env CXX: %w", ErrUnavailable, err)
	}
	if _, err := exec.LookPath(compiler[0]); err != nil {
		return fmt.Errorf("%w: no C++ compiler (%s) and headers: %s", ErrUnavailable, compiler[0], install)
	}
	check := exec.CommandContext(ctx, compiler[0], append(compiler[1:], "-E", "-x", "c++", "-")...)
	check.Stdin = strings.NewReader("#include <nlohmann/json.hpp>\n#include <nlohmann/json_fwd.hpp>\n#include <stb/stb_image.h>\n")
	if err := check.Run(); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("%w: the C++ headers nlohmann/json.hpp and stb/stb_image.h are missing: %s", ErrUnavailable, install)
	}
	return nil
}

// build writes the sources to dir and builds the program there. It is moved
// into place in one step, so that it is there whole or not.
func (p program) build(ctx context.Context, dir string) error {
	for from, to := range p.files {
		b, err := sources.ReadFile(from)
		if err != nil {
			return err
		}
		name := filepath.Join(dir, filepath.FromSlash(to))
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(name, b, 0o600); err != nil {
			return err
		}
	}
	path := filepath.Join(dir, p.name)
	cmd := goCommand(ctx, dir, "build", "-trimpath", "-ldflags", p.ldflags, "-o", path+".new", p.pkg)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("build %s: %w (the next build goes on from here)", p.name, context.Cause(ctx))
		}
		return fmt.Errorf("build %s: %w\n%s", p.name, err, lastLines(output.String(), 20))
	}
	return os.Rename(path+".new", path)
}

// goCommand runs the go command in dir, whatever module and workspace the
// caller is in.
func goCommand(ctx context.Context, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.WaitDelay = 5 * time.Second
	groupCommand(cmd)
	cmd.Env = append(os.Environ(),
		"GOWORK=off", "GOFLAGS=", "CGO_ENABLED=1", "GOOS="+runtime.GOOS, "GOARCH="+runtime.GOARCH,
		"CGO_CPPFLAGS=-I"+filepath.Join(dir, "include"), "CGO_CFLAGS="+optimize, "CGO_CXXFLAGS="+optimize,
	)
	return cmd
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
