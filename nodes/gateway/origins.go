package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// AnyOrigin is the entry of [Options].Origins that allows the pages of all
// origins. It needs keys.
const AnyOrigin = "*"

// origins is the policy of which web pages may use a gateway. A browser sends the
// requests of any page to a server of its user's machine or network; only the
// headers that it adds tell whose they are.
type origins struct {
	protection *http.CrossOriginProtection
	allowed    map[string]bool
	any        bool
}

// newOrigins returns an error for an entry that is no origin, and for one that
// allows all while no key is needed.
func newOrigins(list []string, keys bool) (*origins, error) {
	o := &origins{allowed: map[string]bool{}}
	if !keys {
		o.protection = http.NewCrossOriginProtection()
	}
	for _, origin := range list {
		if origin == AnyOrigin {
			if !keys {
				return nil, errors.New(`gateway: the origin "*" lets every web page ask the nodes; it needs keys`)
			}
			o.any = true
			continue
		}
		if err := CheckOrigin(origin); err != nil {
			return nil, fmt.Errorf("gateway: %w", err)
		}
		if o.protection != nil {
			_ = o.protection.AddTrustedOrigin(origin) // it is checked
		}
		o.allowed[origin] = true
	}
	return o, nil
}

// CheckOrigin returns an error if a text is no origin as browsers send it, such
// as "https://chat.example" or "app://obsidian.md".
func CheckOrigin(origin string) error {
	if err := http.NewCrossOriginProtection().AddTrustedOrigin(origin); err != nil {
		return fmt.Errorf("%q is no origin: want SCHEME://HOST or SCHEME://HOST:PORT, without a path", origin)
	}
	return nil
}

// exposed are the headers of a response that a page of an allowed origin may read.
var exposed = strings.Join([]string{HeaderNode, HeaderModel, HeaderAttempts, "Retry-After"}, ", ")

// admit answers preflight requests and refuses those of pages that may not use
// the gateway; done reports whether it did. The response's header gets what lets
// a page of an allowed origin read it.
func (o *origins) admit(w http.ResponseWriter, r *http.Request) (done bool) {
	origin := r.Header.Get("Origin")
	asked := r.Header.Get("Access-Control-Request-Method")
	allowed := origin != "" && (o.any || o.allowed[origin])
	preflight := r.Method == http.MethodOptions && origin != "" && asked != ""
	switch {
	case allowed:
		h := w.Header()
		h.Set("Access-Control-Allow-Origin", origin)
		h.Add("Vary", "Origin")
		if !preflight {
			h.Set("Access-Control-Expose-Headers", exposed)
			return false
		}
		h.Set("Access-Control-Allow-Methods", "GET, HEAD, POST")
		if names := r.Header.Get("Access-Control-Request-Headers"); names != "" {
			h.Set("Access-Control-Allow-Headers", names)
		}
		if r.Header.Get("Access-Control-Request-Private-Network") == "true" {
			h.Set("Access-Control-Allow-Private-Network", "true")
		}
		h.Set("Access-Control-Max-Age", "600")
		w.WriteHeader(http.StatusNoContent)
		return true
	case preflight, o.protection != nil && o.protection.Check(r) != nil:
		text := "web pages of other sites may not use this gateway"
		if origin != "" {
			text = fmt.Sprintf("web pages of %s may not use this gateway; gateway.origins allows some", origin)
		}
		w.Header().Set("Content-Type", "application/json")
		refusal := errorResponse(http.StatusForbidden, r.URL.Path, text)
		w.WriteHeader(refusal.status)
		_, _ = w.Write(refusal.body) // an error means that the client is gone
		return true
	}
	return false
}
