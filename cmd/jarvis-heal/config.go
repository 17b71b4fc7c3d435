package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/turbone/jarvis/cmd/internal/cli"
	"github.com/turbone/jarvis/cmd/internal/config"
	"github.com/turbone/jarvis/cmd/internal/discover"
)

// errNothingFound: no config, and no engine on this machine.
var errNothingFound = errors.New("nothing to watch")

// configOrFound reads the config, or makes one of the engines on this machine
// and tells which. The error wraps errNothingFound if there are none.
func configOrFound(cmd *cobra.Command, file string) (*config.Config, error) {
	c, err := cli.LoadConfig(cmd, file)
	if !errors.Is(err, config.ErrNotFound) {
		return c, err
	}
	found, err := lookAround(cmd.Context(), cmd.ErrOrStderr(), discover.Addresses(os.Getenv))
	if err != nil {
		return nil, err
	}
	dir, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	c = discover.Config(found, dir)
	if len(c.Nodes) == 0 {
		return nil, fmt.Errorf("%w: what was found asks for a key; write a jarvis.yaml with `jarvis-heal init`, and give the key there", errNothingFound)
	}
	return c, nil
}

// lookAround looks for engines and prints those it found.
func lookAround(ctx context.Context, out io.Writer, addresses []string) ([]discover.Found, error) {
	found := discover.Look(ctx, addresses)
	if len(found) == 0 {
		return nil, fmt.Errorf(`%w: no %s in %s, and no engine answers at
  %s
Start LM Studio, Ollama or llama-server, or write where yours are:
  jarvis-heal init http://HOST:PORT
See it work without any:
  jarvis-heal demo`, errNothingFound, config.FileName, strings.Join(folders(), " or "), strings.Join(addresses, "\n  "))
	}
	for _, f := range found {
		fmt.Fprintf(out, "found %s\n", f)
	}
	return found, nil
}

// folders returns the folders in which a config is looked for.
func folders() []string {
	list := []string{"this folder"}
	for _, p := range config.SearchPaths()[1:] {
		list = append(list, strings.TrimSuffix(strings.TrimSuffix(p, config.FileName), string(os.PathSeparator)))
	}
	return list
}
