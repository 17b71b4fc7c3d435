package realollama

import (
	"context"
	"embed"
	"fmt"
	"os/exec"
	"strings"

	"github.com/turbone/jarvis/nodes/nodetest/internal/realserver"
)

// Version is the Ollama that is built: the newest whose runner is part of the
// one program.
const Version = "0.17.4"

// ErrUnavailable is wrapped where the server can't be built or run on this
// machine; the error's text says what is missing, in one line.
var ErrUnavailable = realserver.ErrUnavailable

// optimize is a compromise: at -O2 the build takes half as long again, at -O0
// the models answer at a tenth of the speed.
const optimize = "-O1 -g0"

// The module that pins the engine. Its files carry another ending, because a
// folder with a go.mod could not be embedded.
//
//go:embed engine/go.mod.in engine/go.sum.in engine/miniaudio/miniaudio.h
var sources embed.FS

var engine = realserver.Program{
	Name: "ollama", Version: Version, Sources: sources,
	Files: map[string]string{
		"engine/go.mod.in":             "go.mod",
		"engine/go.sum.in":             "go.sum",
		"engine/miniaudio/miniaudio.h": "include/miniaudio/miniaudio.h",
	},
	Package: "github.com/ollama/ollama",
	// Without its version the server says that it is 0.0.0.
	Flags: "-s -w -X github.com/ollama/ollama/version.Version=" + Version,
	Env:   []string{"CGO_ENABLED=1", "CGO_CFLAGS=" + optimize, "CGO_CXXFLAGS=" + optimize},
	Check: tools,
}

// Build returns the path of the Ollama program, and builds it first where this
// user's cache folder does not hold it yet. That takes about two minutes on
// two cores, and a download of 500 MB from the Go module proxy where the
// module is not in the module cache. Processes that call it at the same time
// wait for the one that builds. The error wraps [ErrUnavailable] where
// something is missing on this machine.
func Build(ctx context.Context) (path string, err error) { return engine.Get(ctx) }

// tools says in one line what is missing for a build, beside the go command.
func tools(ctx context.Context) error {
	const install = "install them (Debian: apt-get install g++ nlohmann-json3-dev libstb-dev)"
	out, err := exec.CommandContext(ctx, "go", "env", "CXX").Output()
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
