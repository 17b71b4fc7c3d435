// Package notify delivers alerts to messengers, mailboxes and pagers, each
// named by a URL of the shoutrrr library: telegram://…, discord://…, smtp://…,
// ntfy://…, generic+https://… and some twenty more.
//
// These URLs hold tokens and passwords. No part of them appears in an error.
package notify

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/nicholas-fedor/shoutrrr/pkg/router"
	"github.com/nicholas-fedor/shoutrrr/pkg/types"
	"github.com/sourcegraph/conc/panics"

	"github.com/turbone/jarvis/cmd/internal/config"
	"github.com/turbone/jarvis/healer/alert"
	"github.com/turbone/jarvis/nodes"
)

// Notifier holds the services of a config. Close it when none of them is used
// any more.
type Notifier struct {
	Services []alert.Service
	library  []*librarySender
}

// Open makes the services of a config, each chat of a Telegram address as one of
// its own. It sends nothing. An error names the place in the file. Transport
// carries Telegram's requests; nil means [http.DefaultTransport].
func Open(list []config.Alert, transport http.RoundTripper) (*Notifier, error) {
	n := &Notifier{}
	var wrong []error
	taken := map[string]int{}
	for i, a := range list {
		senders, err := open(a.URL, transport)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("%s: alerts[%d].url: %w", a.Where, i, err))
			continue
		}
		for _, s := range senders {
			if l, ok := s.(*librarySender); ok {
				n.library = append(n.library, l)
			}
			kind := s.Name()
			if taken[kind]++; taken[kind] > 1 {
				s = renamed{s, fmt.Sprintf("%s %d", kind, taken[kind])}
			}
			n.Services = append(n.Services, alert.Service{Sender: s, Events: a.Events})
		}
	}
	return n, errors.Join(wrong...)
}

// Close waits for the deliveries that outlasted their context, until ctx ends,
// and refuses further ones. The error tells which service still hangs.
func (n *Notifier) Close(ctx context.Context) error {
	var hung []error
	for _, s := range n.library {
		select {
		case s.busy <- struct{}{}:
		case <-ctx.Done():
			hung = append(hung, fmt.Errorf("alerts: %s: a delivery still hangs", s.kind))
		}
	}
	return errors.Join(hung...)
}

// renamed is a service with another name, which distinguishes several services
// of one kind.
type renamed struct {
	alert.Sender
	name string
}

func (r renamed) Name() string { return r.name }

// open makes the senders of one address.
func open(address nodes.Secret, transport http.RoundTripper) ([]alert.Sender, error) {
	hide := newScrubber(address)
	u, err := url.Parse(address.Reveal())
	if err != nil {
		return nil, errors.New("no URL; see the services' pages at https://shoutrrr.nickfedor.com for what theirs looks like")
	}
	kind, _, _ := strings.Cut(u.Scheme, "+")
	known := (&router.ServiceRouter{}).ListServices()
	if !slices.Contains(known, kind) {
		slices.Sort(known)
		return nil, fmt.Errorf("no service of that kind; it begins with one of %s", strings.Join(known, ", "))
	}
	if kind == "telegram" {
		return openTelegram(u, hide, transport)
	}
	service, err := (&router.ServiceRouter{}).Locate(address.Reveal())
	if err != nil {
		return nil, fmt.Errorf("%s: %s; see https://shoutrrr.nickfedor.com for what its address looks like", kind, hide.scrub(err.Error()))
	}
	return []alert.Sender{&librarySender{kind: kind, service: service, hide: hide, busy: make(chan struct{}, 1)}}, nil
}

// librarySender sends with a service of the library.
type librarySender struct {
	kind    string
	service types.Service
	hide    scrubber
	busy    chan struct{} // holds a token while a delivery is under way
}

func (s *librarySender) Name() string { return s.kind }

// Send delivers text. The library takes no context: a delivery that outlasts ctx
// goes on in its goroutine until the time-out of its own client, none is begun
// meanwhile, and [Notifier.Close] waits for it.
func (s *librarySender) Send(ctx context.Context, text string) error {
	select {
	case s.busy <- struct{}{}:
	default:
		return errors.New("the delivery before still hangs")
	}
	result := make(chan error, 1)
	go func() { // waited for by Notifier.Close, through busy
		defer func() { <-s.busy }()
		var err error
		if p := panics.Try(func() { err = s.service.Send(text, &types.Params{}) }); p != nil {
			err = fmt.Errorf("failed: %v", p.Value)
		}
		result <- err
	}()
	select {
	case <-ctx.Done():
		return fmt.Errorf("no answer: %w", ctx.Err())
	case err := <-result:
		if err == nil {
			return nil
		}
		return &alert.SendError{RetryAfter: retryAfter(err.Error()), Err: errors.New(s.hide.scrub(err.Error()))}
	}
}
