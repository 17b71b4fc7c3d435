package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/turbone/jarvis/arena/hub"
	"github.com/turbone/jarvis/cmd/internal/config"
	"github.com/turbone/jarvis/nodes"
)

// The environment variables of the hub.
const (
	tokenVariable     = "HF_TOKEN"
	endpointVariable  = "HF_ENDPOINT"
	benchmarkVariable = "JARVIS_BENCHMARK_URL"
)

// hubPatience bounds the retries after a temporary failure of the hub.
const hubPatience = 5 * time.Second

const hubEnvironment = `
Environment:
  HF_TOKEN              a token of huggingface.co, for gated and private models
  HF_ENDPOINT           another address of the hub, such as a mirror's
  JARVIS_BENCHMARK_URL  another address of the server of the published benchmark`

// openHub makes a client of the hub with the settings of the environment.
func openHub() (*hub.Client, error) {
	o := hub.Options{Token: nodes.NewSecret(os.Getenv(tokenVariable)), TokenName: tokenVariable, Patience: hubPatience}
	for _, address := range []struct {
		variable string
		into     *string
	}{{endpointVariable, &o.URL}, {benchmarkVariable, &o.BoardURL}} {
		*address.into = os.Getenv(address.variable)
		if _, err := hub.New(o); err != nil {
			// Its content isn't repeated: a password may stand in it.
			return nil, fmt.Errorf("%s is no address; write it as https://host, or unset it", address.variable)
		}
	}
	return hub.New(o)
}

// openNode returns the named node, else the config's. It does not connect.
func openNode(cmd *cobra.Command, file, named string) (*nodes.Node, error) {
	c, err := loadConfig(cmd, file)
	if err != nil {
		return nil, err
	}
	set, err := c.Build()
	if err != nil {
		return nil, err
	}
	return nodeOf(c, set, named)
}

// openNodeIfAny is openNode, and nil if nobody named a node and there is no
// config.
func openNodeIfAny(cmd *cobra.Command, file, named string) (*nodes.Node, error) {
	node, err := openNode(cmd, file, named)
	if errors.Is(err, config.ErrNotFound) && cmp.Or(file, named) == "" {
		return nil, nil
	}
	return node, err
}

// contextOf is the context that a node's model is served with, in tokens, 0
// where the config doesn't tell.
func contextOf(m nodes.Model) int {
	for _, name := range []string{"context_length", "num_ctx", "ctx_size"} {
		switch n := m.Settings[name].(type) {
		case int:
			return max(n, 0)
		case int64:
			return int(max(n, 0))
		case uint64:
			return int(min(n, 1<<31))
		case float64:
			return int(min(max(n, 0), 1<<31))
		}
	}
	return 0
}
