package hub

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/turbone/jarvis/nodes"
)

const (
	// DefaultURL is the address of the hub, DefaultBoardURL that of its server
	// of data sets, which has the benchmark.
	DefaultURL      = "https://huggingface.co"
	DefaultBoardURL = "https://datasets-server.huggingface.co"
	// DefaultPatience is the default of [Options].Patience.
	DefaultPatience = 90 * time.Second
	// NoRetry as [Options].Patience makes each request once.
	NoRetry = -1 * time.Nanosecond

	// maxBody is the greatest size of a response, in bytes. A page of a hundred
	// models with their chat templates has about 1 MB.
	maxBody = 16 << 20
	// maxDetail is the greatest length of a server's message in an error.
	maxDetail = 200
	// requestTimeout limits one request.
	requestTimeout = 30 * time.Second
)

// Options configure a [Client]. The zero value means the public hub without a
// token.
type Options struct {
	// URL is the address of the hub or of a mirror, BoardURL that of the server
	// of data sets. Empty ones mean [DefaultURL] and [DefaultBoardURL].
	URL, BoardURL string
	// Token is sent to the hub, if it is not empty. It is never sent to
	// BoardURL: the benchmark is public.
	Token nodes.Secret
	// TokenName is the name of the token's setting in errors: an environment
	// variable, for example. Empty means "hub.Options.Token".
	TokenName string
	// Transport makes the requests; nil means [http.DefaultTransport].
	Transport http.RoundTripper
	// Patience is how long a request is repeated that fails for a reason that
	// may pass, or [NoRetry]; 0 means [DefaultPatience].
	Patience time.Duration
}

// Client is a client of the hub. Use [New] to create one. Safe for concurrent use.
type Client struct {
	hub, board *url.URL
	token      nodes.Secret
	tokenName  string
	http       *http.Client
	patience   time.Duration
}

// New returns a client. The error says which address is not one.
func New(o Options) (*Client, error) {
	hub, err := address("hub", o.URL, DefaultURL)
	if err != nil {
		return nil, err
	}
	board, err := address("benchmark", o.BoardURL, DefaultBoardURL)
	if err != nil {
		return nil, err
	}
	c := &Client{
		hub: hub, board: board, token: o.Token, tokenName: cmp.Or(o.TokenName, "hub.Options.Token"), patience: o.Patience,
		http: &http.Client{Transport: o.Transport, Timeout: requestTimeout},
	}
	if c.patience == 0 {
		c.patience = DefaultPatience
	}
	return c, nil
}

func address(what, text, standard string) (*url.URL, error) {
	if text == "" {
		text = standard
	}
	u, err := url.Parse(strings.TrimRight(text, "/"))
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("hub: the address %q of the %s: write it as https://host", text, what)
	}
	return u, nil
}

// request is a request to the hub.
type request struct {
	action string // for errors
	base   *url.URL
	path   []string
	query  url.Values
	token  nodes.Secret
	// tokenName is what errors call the token.
	tokenName string
}

// get makes a request and decodes the response, and repeats it after a failure
// that may pass. It returns the query of the next page, nil after the last.
func (c *Client) get(ctx context.Context, r request, into any) (next url.Values, err error) {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = time.Second, 20*time.Second
	patience := c.patience
	tries := uint(0) // as many as the time allows
	if patience < 0 {
		patience, tries = 0, 1
	}
	next, err = backoff.Retry(ctx, func() (url.Values, error) {
		next, err := c.once(ctx, r, into)
		var failed *Error
		switch {
		case err == nil, !errors.As(err, &failed):
			return next, err
		case !passing(failed):
			return nil, backoff.Permanent(err)
		case failed.RetryAfter > 0:
			return nil, &later{failed, &backoff.RetryAfterError{Duration: failed.RetryAfter}}
		}
		return nil, err
	}, backoff.WithBackOff(wait), backoff.WithMaxElapsedTime(patience), backoff.WithMaxTries(tries))
	var failed *Error
	if errors.As(err, &failed) {
		return nil, failed // without the wrapping for backoff.Retry
	}
	if err != nil {
		return nil, fmt.Errorf("hub: %s: %w", r.action, err)
	}
	return next, nil
}

// later is a failure with the time after which the request may be repeated.
type later struct {
	failed *Error
	after  *backoff.RetryAfterError
}

func (l *later) Error() string   { return l.failed.Error() }
func (l *later) Unwrap() []error { return []error{l.failed, l.after} }

// passing reports whether a failure may pass.
func passing(e *Error) bool {
	return errors.Is(e.Kind, ErrBusy) || errors.Is(e.Kind, ErrUnavailable)
}

// once makes a request once.
func (c *Client) once(ctx context.Context, r request, into any) (url.Values, error) {
	u := *r.base
	u.RawQuery = r.query.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.JoinPath(r.path...).String(), nil)
	if err != nil {
		return nil, backoff.Permanent(fmt.Errorf("hub: %s: %w", r.action, err))
	}
	req.Header.Set("Accept", "application/json")
	if !r.token.Empty() {
		req.Header.Set("Authorization", "Bearer "+r.token.Reveal())
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, r.unreached(ctx, err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	switch {
	case resp.StatusCode != http.StatusOK:
		return nil, r.refused(resp, body)
	case err != nil:
		return nil, r.unreached(ctx, err)
	case len(body) > maxBody:
		return nil, &Error{Action: r.action, Kind: ErrProtocol, Detail: fmt.Sprintf("the answer is larger than %d MiB", maxBody>>20), Remedy: "check the address of the hub"}
	}
	if err := json.Unmarshal(body, into); err != nil {
		return nil, &Error{Action: r.action, Kind: ErrProtocol, Detail: excerpt(r.hide(body)), Err: err, Remedy: "check the address of the hub, and that no proxy answers in its place"}
	}
	return nextPage(resp.Header), nil
}

// unreached returns the error of a request without a response.
func (r request) unreached(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return backoff.Permanent(fmt.Errorf("hub: %s: %w", r.action, context.Cause(ctx)))
	}
	// A url.Error repeats the whole address, query and all.
	var inner *url.Error
	if errors.As(err, &inner) {
		err = inner.Err
	}
	return &Error{Action: r.action, Kind: ErrUnavailable, Err: err, Remedy: "check the network and the address of the hub (" + r.base.Host + ")"}
}

// refused returns the error of a response whose status is not 200.
func (r request) refused(resp *http.Response, body []byte) *Error {
	e := &Error{Action: r.action, Status: resp.StatusCode, Detail: r.said(resp.Header, body)}
	code := resp.Header.Get("X-Error-Code")
	switch {
	case code == "GatedRepo":
		e.Kind, e.Remedy = ErrGated, "accept its terms on its page, and set "+r.tokenName+" to a token of that account"
	case resp.StatusCode == http.StatusTooManyRequests:
		e.Kind, e.RetryAfter = ErrBusy, retryAfter(resp.Header, time.Now())
		e.Remedy = "wait a few minutes"
		if r.token.Empty() {
			e.Remedy += ", or set " + r.tokenName + ": with a token more is allowed"
		}
	case resp.StatusCode == http.StatusNotFound, code == "RepoNotFound", resp.StatusCode == http.StatusUnauthorized && r.token.Empty():
		// Without a token the hub also answers 401 for what doesn't exist.
		e.Kind, e.Remedy = ErrNotFound, "check the name; a private one needs "+r.tokenName
	case resp.StatusCode == http.StatusUnauthorized, resp.StatusCode == http.StatusForbidden:
		e.Kind, e.Remedy = ErrUnauthorized, "check "+r.tokenName+": the token needs the right to read"
	case resp.StatusCode >= 500:
		e.Kind, e.RetryAfter = ErrUnavailable, retryAfter(resp.Header, time.Now())
	default:
		e.Kind = ErrProtocol
	}
	return e
}

// said returns the message of an error response.
func (r request) said(header http.Header, body []byte) string {
	var told struct {
		Error any `json:"error"`
	}
	if text := header.Get("X-Error-Message"); text != "" {
		return excerpt(r.hide([]byte(text)))
	}
	if json.Unmarshal(body, &told) == nil {
		if text, ok := told.Error.(string); ok {
			return excerpt(r.hide([]byte(text)))
		}
	}
	return excerpt(r.hide(body))
}

// hide removes the token from a server's message: some servers repeat what they
// were sent.
func (r request) hide(text []byte) []byte {
	if r.token.Empty() {
		return text
	}
	return bytes.ReplaceAll(text, []byte(r.token.Reveal()), []byte(r.token.String()))
}

// excerpt returns the beginning of a text as one line.
func excerpt(text []byte) string {
	if len(text) > 4*maxDetail {
		text = text[:4*maxDetail]
	}
	line := strings.Join(strings.FieldsFunc(string(bytes.ToValidUTF8(text, nil)), func(r rune) bool { return r <= ' ' || r == 0x7f }), " ")
	if runes := []rune(line); len(runes) > maxDetail {
		return string(runes[:maxDetail]) + "…"
	}
	return line
}

// retryAfter returns how long the server asks to wait: Retry-After in seconds or
// as a date, or t of the hub's RateLimit header; at most ten minutes.
func retryAfter(header http.Header, now time.Time) time.Duration {
	wait := time.Duration(0)
	if text := header.Get("Retry-After"); text != "" {
		if s, err := strconv.Atoi(text); err == nil {
			wait = time.Duration(min(max(s, 0), 1e6)) * time.Second
		} else if at, err := http.ParseTime(text); err == nil {
			wait = at.Sub(now)
		}
	}
	if wait <= 0 {
		for _, part := range strings.FieldsFunc(header.Get("RateLimit"), func(r rune) bool { return r == ';' || r == ',' }) {
			if value, ok := strings.CutPrefix(strings.TrimSpace(part), "t="); ok {
				if s, err := strconv.Atoi(value); err == nil && s > 0 {
					wait = time.Duration(min(s, 1e6)) * time.Second
				}
			}
		}
	}
	return min(max(wait, 0), 10*time.Minute)
}

// nextPage returns the query of the link to the next page. The rest of the link
// is ignored: a mirror may send links to the hub itself, and the token must not
// go to another host.
func nextPage(header http.Header) url.Values {
	for _, value := range header.Values("Link") {
		for _, link := range strings.Split(value, ",") {
			target, params, ok := strings.Cut(link, ";")
			target = strings.TrimSpace(target)
			if !ok || !strings.Contains(strings.ReplaceAll(params, " ", ""), `rel="next"`) ||
				!strings.HasPrefix(target, "<") || !strings.HasSuffix(target, ">") {
				continue
			}
			u, err := url.Parse(target[1 : len(target)-1])
			if err != nil {
				continue
			}
			if query, err := url.ParseQuery(u.RawQuery); err == nil && len(query) > 0 {
				return query
			}
		}
	}
	return nil
}
