package realllamacpp

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/turbone/jarvis/nodes/nodetest/internal/realserver"
)

// ErrUnavailable is wrapped where the server can't be had on this machine; the
// error's text says what is missing, in one line.
var ErrUnavailable = realserver.ErrUnavailable

// suites are the releases of Debian that have the packages, in order of
// preference. Those of the release that the machine runs are too old or missing.
var suites = []string{"forky", "sid"}

// packages are the server's and all that it is linked with: it runs with its own C
// library, whatever the machine's is.
var packages = []string{
	"llama.cpp-tools", "libllama0", "libggml0", "libgomp1", "libssl3t64", "libstdc++6", "libgcc-s1", "libc6", "zlib1g", "libzstd1",
}

// Program is a llama-server that can be run.
type Program struct {
	// Path is the executable's.
	Path string
	// Version is the package's: "1:0.7.0+dfsg-2".
	Version string
	// Stale says why a newer version could not be looked for; nil where it was.
	Stale error
}

// fetchLimit is how long the mirror may take.
const fetchLimit = 5 * time.Minute

// fresh is how long a version that was fetched is used without another look.
const fresh = 24 * time.Hour

// Fetch returns the newest llama-server of Debian's, and fetches it first where
// this user's cache folder does not hold it yet. Processes that call it at the
// same time wait for the one that fetches. Where none can be fetched, the newest
// of the cache serves, and Program.Stale says why. The error wraps
// [ErrUnavailable] where there is none.
func Fetch(ctx context.Context) (Program, error) {
	if runtime.GOOS != "linux" {
		return Program{}, fmt.Errorf("%w: llama-server is run on Linux with Debian's packages", ErrUnavailable)
	}
	dir, err := realserver.Cache("llama-server")
	if err != nil {
		return Program{}, err
	}
	if p, age, ok := cached(dir); ok && age < fresh {
		return p, nil
	}
	unlock, err := realserver.Lock(ctx, dir)
	if err != nil {
		return Program{}, err
	}
	defer unlock()
	p, age, ok := cached(dir)
	if ok && age < fresh { // another process fetched it meanwhile
		return p, nil
	}
	limited, cancel := context.WithTimeoutCause(ctx, fetchLimit, fmt.Errorf("no answer of the mirror within %s", fetchLimit))
	defer cancel()
	got, err := fetch(limited, dir)
	switch {
	case err == nil:
		return got, nil
	case ctx.Err() != nil:
		return Program{}, context.Cause(ctx)
	case ok:
		p.Stale = err
		return p, nil
	}
	return Program{}, fmt.Errorf("%w: llama-server: %w", ErrUnavailable, err)
}

// cached returns the newest version of the cache and its age: the time since the
// mirror was last looked at for it.
func cached(dir string) (p Program, age time.Duration, ok bool) {
	for _, name := range glob(dir, "v-*", "version") {
		info, err := os.Stat(name)
		if err != nil {
			continue
		}
		version, err := os.ReadFile(name)
		if since := time.Since(info.ModTime()); err == nil && (!ok || since < age) {
			p, age, ok = Program{Path: executable(filepath.Dir(name)), Version: string(version)}, since, true
		}
	}
	return p, age, ok
}

func glob(parts ...string) []string {
	names, _ := filepath.Glob(filepath.Join(parts...)) // the pattern is well-formed
	return names
}

func executable(dir string) string { return filepath.Join(dir, "bin", "llama-server") }

// fetch looks for the newest version and makes it ready in dir.
func fetch(ctx context.Context, dir string) (Program, error) {
	for _, tool := range []string{"apt-get", "apt-cache", "dpkg", "patchelf"} {
		if _, err := exec.LookPath(tool); err != nil {
			return Program{}, fmt.Errorf("%s is not in the PATH (Debian: apt-get install patchelf)", tool)
		}
	}
	work, err := os.MkdirTemp(dir, "work-")
	if err != nil {
		return Program{}, err
	}
	defer os.RemoveAll(work)
	a, err := newApt(work)
	if err != nil {
		return Program{}, err
	}
	if err := a.update(ctx); err != nil {
		return Program{}, err
	}
	version, err := a.version(ctx, packages[0])
	if err != nil {
		return Program{}, err
	}
	p := Program{Version: version}
	to := filepath.Join(dir, "v-"+strings.NewReplacer(":", "_", "+", "_", "~", "_").Replace(version))
	p.Path = executable(to)
	mark := filepath.Join(to, "version")
	if _, err := os.Stat(mark); err == nil {
		now := time.Now()
		return p, os.Chtimes(mark, now, now)
	}
	if err := a.download(ctx, work, packages); err != nil {
		return Program{}, err
	}
	ready := filepath.Join(work, "ready")
	if err := unpack(ctx, work, ready); err != nil {
		return Program{}, err
	}
	// Paths inside the files name the final place: it has to be known before.
	if err := relink(ctx, ready, to); err != nil {
		return Program{}, err
	}
	if err := os.WriteFile(filepath.Join(ready, "version"), []byte(version), 0o600); err != nil {
		return Program{}, err
	}
	if err := os.RemoveAll(to); err != nil {
		return Program{}, err
	}
	return p, os.Rename(ready, to)
}

// unpack lays the server, its back ends and all libraries into ready: bin and lib.
func unpack(ctx context.Context, work, ready string) error {
	root := filepath.Join(work, "root")
	for _, deb := range glob(work, "*.deb") {
		if err := run(ctx, work, "dpkg", "-x", deb, root); err != nil {
			return err
		}
	}
	bin, lib := filepath.Join(ready, "bin"), filepath.Join(ready, "lib")
	for _, dir := range []string{bin, lib} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	server, err := find(root, "llama-server")
	if err != nil {
		return err
	}
	if err := move(server, filepath.Join(bin, "llama-server")); err != nil {
		return err
	}
	return filepath.WalkDir(root, func(path string, e os.DirEntry, err error) error {
		name := filepath.Base(path)
		switch {
		case err != nil || e.IsDir() || !strings.Contains(name, ".so"):
			return err
		case strings.Contains(path, "/gconv/") || strings.Contains(path, "/engines-"):
			return nil
		case strings.Contains(filepath.Base(filepath.Dir(path)), "backends"):
			return move(path, filepath.Join(bin, name)) // looked for beside the executable
		}
		return move(path, filepath.Join(lib, name))
	})
}

// find returns the path of the program with a name.
func find(root, name string) (found string, err error) {
	err = filepath.WalkDir(root, func(path string, e os.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() && e.Name() == name && isELF(path) {
			found = path
		}
		return err
	})
	if err == nil && found == "" {
		err = fmt.Errorf("the packages hold no %s", name)
	}
	return found, err
}

// move renames a file, also a link whose target moves to the same folder. A link
// to a file of its own name is not needed there.
func move(from, to string) error {
	target, err := os.Readlink(from)
	switch {
	case err != nil:
		return os.Rename(from, to)
	case filepath.Base(target) == filepath.Base(to):
		return nil
	}
	return os.Symlink(filepath.Base(target), to)
}

// relink makes the program and its libraries use the loader and the libraries of
// their final place.
func relink(ctx context.Context, ready, final string) error {
	loaders := glob(ready, "lib", "ld-linux*.so*")
	if len(loaders) == 0 {
		return errors.New("the packages hold no loader")
	}
	lib := filepath.Join(final, "lib")
	program := executable(ready)
	if err := run(ctx, ready, "patchelf", "--set-interpreter", filepath.Join(lib, filepath.Base(loaders[0])), program); err != nil {
		return err
	}
	for _, file := range append(append(glob(ready, "lib", "*.so*"), glob(ready, "bin", "*.so*")...), program) {
		info, err := os.Lstat(file)
		if err != nil {
			return err
		}
		name := filepath.Base(file)
		// The loader and the C library link to nothing else.
		if !info.Mode().IsRegular() || slices.Contains(loaders, file) || strings.HasPrefix(name, "libc.so") || !isELF(file) {
			continue
		}
		if err := os.Chmod(file, 0o700); err != nil {
			return err
		}
		if err := run(ctx, ready, "patchelf", "--force-rpath", "--set-rpath", lib, file); err != nil {
			return err
		}
	}
	return nil
}

// isELF reports whether a file is a program or a library.
func isELF(name string) bool {
	f, err := elf.Open(name)
	if err != nil {
		return false
	}
	_ = f.Close()
	return true
}

// run runs a program in dir. The error holds the end of what it said.
func run(ctx context.Context, dir, name string, args ...string) error {
	_, err := output(ctx, dir, name, args...)
	return err
}

func output(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.WaitDelay = 5 * time.Second
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		lines := strings.Split(strings.TrimSpace(said.String()), "\n")
		return "", fmt.Errorf("%s: %w: %s", name, err, lines[len(lines)-1])
	}
	return out.String(), nil
}
