package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/nodes"
)

const key = "sk-lm-very-secret"

// serve starts a server and a client that speaks to it.
func serve(t *testing.T, h http.HandlerFunc) *Client {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return client(t, srv.URL, nil)
}

func client(t *testing.T, url string, transport http.RoundTripper) *Client {
	t.Helper()
	c, err := New(nodes.Connection{Node: "M1", URL: url, Key: nodes.NewSecret(key), Transport: transport}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.HTTP().CloseIdleConnections)
	return c
}

func TestStatusBecomesFault(t *testing.T) {
	type want struct {
		Fault      nodes.Fault
		Detail     string
		RetryAfter time.Duration
	}
	for name, test := range map[string]struct {
		status int
		header map[string]string
		body   string
		want   want
	}{
		"401":               {401, nil, `{"error":"no"}`, want{nodes.Unauthorized, "HTTP 401 no", 0}},
		"403":               {403, nil, `{"error":{"message":"no"}}`, want{nodes.Unauthorized, "HTTP 403 no", 0}},
		"404":               {404, nil, `not here`, want{nodes.BadRequest, "HTTP 404 not here", 0}},
		"429 in seconds":    {429, map[string]string{"Retry-After": "7"}, ``, want{nodes.Busy, "HTTP 429 ", 7 * time.Second}},
		"429 for years":     {429, map[string]string{"Retry-After": "99999999"}, ``, want{nodes.Busy, "HTTP 429 ", 24 * time.Hour}},
		"429 before now":    {429, map[string]string{"Retry-After": "Mon, 02 Jan 2006 15:04:05 GMT"}, ``, want{nodes.Busy, "HTTP 429 ", 0}},
		"429 on a far day":  {429, map[string]string{"Retry-After": "Mon, 02 Jan 2090 15:04:05 GMT"}, ``, want{nodes.Busy, "HTTP 429 ", 24 * time.Hour}},
		"429 in words":      {429, map[string]string{"Retry-After": "soon"}, ``, want{nodes.Busy, "HTTP 429 ", 0}},
		"503":               {503, nil, `{"error":{"message":"Loading model"}}`, want{nodes.Busy, "HTTP 503 Loading model", 0}},
		"500 empty":         {500, nil, ``, want{nodes.ServerFailed, "HTTP 500 ", 0}},
		"502 HTML":          {502, nil, "<html>\n\tBad  Gateway", want{nodes.ServerFailed, "HTTP 502 <html> Bad Gateway", 0}},
		"200 error string":  {200, nil, `{"error":"Unexpected endpoint or method. (GET /x)"}`, want{nodes.Protocol, "HTTP 200 Unexpected endpoint or method. (GET /x)", 0}},
		"200 error object":  {200, nil, `{"error":{"message":"boom"}}`, want{nodes.Protocol, "HTTP 200 boom", 0}},
		"200 flat error":    {200, nil, `{"object":"error","message":"flat"}`, want{nodes.Protocol, "HTTP 200 flat", 0}},
		"200 HTML":          {200, nil, `<!doctype html>`, want{nodes.Protocol, "invalid character '<' looking for beginning of value in <!doctype html>", 0}},
		"200 empty":         {200, nil, ``, want{nodes.Protocol, "unexpected end of JSON input in", 0}},
		"200 another shape": {200, nil, `[1]`, want{nodes.Protocol, "json: cannot unmarshal array into Go value of type struct { Name string } in [1]", 0}},
		"a redirect":        {302, map[string]string{"Location": "http://elsewhere.invalid/"}, ``, want{nodes.Protocol, "HTTP 302 ", 0}},
	} {
		t.Run(name, func(t *testing.T) {
			c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				for k, v := range test.header {
					w.Header().Set(k, v)
				}
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, test.body)
			})
			var out struct{ Name string }
			err := c.JSON(t.Context(), "probe", http.MethodGet, "/x", nil, &out)
			var e *nodes.Error
			if !errors.As(err, &e) {
				t.Fatalf("got %v, want a *nodes.Error", err)
			}
			got := want{e.Fault, e.Detail, e.RetryAfter}
			test.want.Detail = strings.TrimSpace(test.want.Detail)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
			if e.Node != "M1" || e.Action != "probe" {
				t.Errorf("error of %q, %q; want node and action", e.Node, e.Action)
			}
		})
	}
}

func TestClassifyComesFirst(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "3")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"error":"No models loaded."}`)
	}))
	defer srv.Close()
	c, err := New(nodes.Connection{Node: "M1", URL: srv.URL}, func(status int, _ http.Header, body []byte) *nodes.Error {
		if status == 400 && strings.Contains(ErrorText(body), "No models loaded") {
			return &nodes.Error{Fault: nodes.NotLoaded, Remedy: "load one"}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Bytes(t.Context(), "chat", http.MethodPost, "/x", map[string]int{"a": 1})
	want := "M1: chat: model not loaded: HTTP 400 No models loaded. (retry after 3s); load one"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestRequestCarriesKeyPathAndBody(t *testing.T) {
	var got string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got = fmt.Sprint(r.Method, " ", r.URL.RequestURI(), " ", r.Header.Get("Authorization"), " ", r.Header.Get("Content-Type"), " ", string(b))
		_, _ = io.WriteString(w, `{}`)
	})
	var out struct{}
	if err := c.JSON(t.Context(), "load", http.MethodPost, "/models?reload=1", map[string]string{"model": "a"}, &out); err != nil {
		t.Fatal(err)
	}
	want := "POST /models?reload=1 Bearer " + key + ` application/json {"model":"a"}`
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestHugeAnswerIsBounded(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		chunk := strings.Repeat("x", 1<<20)
		for r.Context().Err() == nil {
			if _, err := io.WriteString(w, chunk); err != nil {
				return
			}
		}
	})
	_, err := c.Bytes(t.Context(), "probe", http.MethodGet, "/", nil)
	if !errors.Is(err, nodes.Protocol) {
		t.Errorf("got %v, want %v", err, nodes.Protocol)
	}
}

func TestDripEndsWithTheContext(t *testing.T) {
	for _, status := range []int{200, 500} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			c := serve(t, func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(status)
				if status == 200 {
					_, _ = io.WriteString(w, " ")
				}
				_ = http.NewResponseController(w).Flush()
				<-r.Context().Done()
			})
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			_, err := c.Bytes(ctx, "probe", http.MethodGet, "/", nil)
			if !errors.Is(err, nodes.TimedOut) {
				t.Errorf("got %v, want %v", err, nodes.TimedOut)
			}
		})
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	var calls int
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		calls++
		http.Redirect(w, r, r.URL.Path, http.StatusTemporaryRedirect)
	})
	_, err := c.Bytes(t.Context(), "probe", http.MethodGet, "/", nil)
	if !errors.Is(err, nodes.Protocol) || calls != 1 {
		t.Errorf("got %v after %d calls, want %v after 1", err, calls, nodes.Protocol)
	}
}

func TestTransportFaults(t *testing.T) {
	closed := func() string {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		return "http://" + ln.Addr().String()
	}()
	cut := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "{")
		panic(http.ErrAbortHandler)
	}))
	defer cut.Close()
	gone := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer gone.Close()

	for name, test := range map[string]struct {
		url  string
		want nodes.Fault
	}{
		"nothing listens":                   {closed, nodes.Refused},
		"no such host":                      {"http://no-such-host.invalid", nodes.Unreachable},
		"the answer breaks off":             {cut.URL, nodes.CutOff},
		"closed before an answer":           {gone.URL, nodes.CutOff},
		"TLS spoken to a server without":    {strings.Replace(gone.URL, "http", "https", 1), nodes.Protocol},
		"a port that does not exist at all": {"http://127.0.0.1:0", nodes.Refused},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := client(t, test.url, nil).Bytes(t.Context(), "probe", http.MethodGet, "/", nil)
			if got := nodes.FaultOf(err); got != test.want {
				t.Errorf("got %q of %v, want %q", got, err, test.want)
			}
		})
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestContextEndings(t *testing.T) {
	hang := roundTrip(func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	})
	t.Run("canceled stays canceled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := client(t, "http://m1", hang).Bytes(ctx, "probe", http.MethodGet, "/", nil)
		if !errors.Is(err, context.Canceled) || nodes.FaultOf(err) != "" {
			t.Errorf("got %v, want the cancellation and no fault", err)
		}
	})
	t.Run("canceled for a reason tells it", func(t *testing.T) {
		reason := errors.New("shutting down")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(reason)
		_, err := client(t, "http://m1", hang).Bytes(ctx, "probe", http.MethodGet, "/", nil)
		if !errors.Is(err, context.Canceled) || !errors.Is(err, reason) || nodes.FaultOf(err) != "" {
			t.Errorf("got %v, want the cancellation with its reason", err)
		}
	})
	t.Run("a deadline is a time-out", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			_, err := client(t, "http://m1", hang).Bytes(ctx, "probe", http.MethodGet, "/", nil)
			if !errors.Is(err, nodes.TimedOut) || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v, want %v", err, nodes.TimedOut)
			}
		})
	})
}

func TestKeyIsInNoError(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"repeated in a 401": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(401)
			_, _ = io.WriteString(w, `{"error":"bad `+r.Header.Get("Authorization")+`"}`)
		},
		"repeated in a 200": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, `not json: `+r.Header.Get("Authorization"))
		},
		"cut in half by the bound": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(500)
			_, _ = io.WriteString(w, strings.Repeat("x", maxDetail-len("HTTP 500 ")-10)+key)
		},
		"redirected with it": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/?key="+key, http.StatusFound)
		},
		"closed": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			var out struct{}
			err := serve(t, h).JSON(t.Context(), "probe", http.MethodGet, "/", nil, &out)
			if err == nil {
				t.Fatal("no error")
			}
			for _, part := range []string{key, key[:8]} {
				if text := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(text, part) {
					t.Errorf("the key is in %s", text)
				}
			}
		})
	}
	t.Run("a key that no header can hold", func(t *testing.T) {
		c, err := New(nodes.Connection{Node: "M1", URL: "http://127.0.0.1:1", Key: nodes.NewSecret("bad\nkey")}, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Bytes(t.Context(), "probe", http.MethodGet, "/", nil)
		if err == nil || strings.Contains(err.Error(), "bad\nkey") {
			t.Errorf("got %v", err)
		}
	})
}

func TestNewRefuses(t *testing.T) {
	for name, url := range map[string]string{
		"nothing":      "",
		"no scheme":    "10.5.0.2:1234",
		"no host":      "http://",
		"another":      "ftp://host",
		"a password":   "http://user:" + key + "@host",
		"no URL":       "http://[::1",
		"only a space": " ",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(nodes.Connection{Node: "M1", URL: url}, nil)
			if err == nil {
				t.Fatal("accepted")
			}
			if !strings.HasPrefix(err.Error(), "M1: url") || strings.Contains(err.Error(), key) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestErrorText(t *testing.T) {
	for body, want := range map[string]string{
		`{"error":"text"}`:                                             "text",
		`{"error":{"message":"text","code":500}}`:                      "text",
		`{"error":{"type":"model_not_found"}}`:                         "model_not_found",
		`{"error":{"code":5}}`:                                         `{"code":5}`,
		`{"error":{"message":7},"message":"outer"}`:                    "outer",
		`{"error":["a"]}`:                                              `["a"]`,
		`{"error":"{\"error\":{\"message\":\"inner\",\"code\":400}}"}`: "inner",
		`{"error":{"message":"{\"error\":\"inner\"}"}}`:                "inner",
		`{"error":"{no error}"}`:                                       "{no error}",
		`{"error":"{\"other\":1}"}`:                                    `{"other":1}`,
		`{"error":null,"models":[]}`:                                   "",
		`{"error":false}`:                                              "",
		`{"object":"error","message":"flat"}`:                          "flat",
		`{"object":"list","message":"fine","data":[]}`:                 "",
		`{"message":"fine"}`:                                           "",
		`[]`:                                                           "",
		`not json`:                                                     "",
		``:                                                             "",
	} {
		if got := ErrorText([]byte(body)); got != want {
			t.Errorf("ErrorText(%s) = %q, want %q", body, got, want)
		}
	}
}
