package gateway_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/turbone/jarvis/nodes/gateway"
)

// TestTheEndMarkIsAdded where a server said why its answer ended, and then
// broke off.
func TestTheEndMarkIsAdded(t *testing.T) {
	n := handlerNode(t, "M1", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `data: {"id":"1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"4"},"finish_reason":null}]}`+"\n\n"+
			`data: {"id":"1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`+"\n\n")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	var observed seen
	_, address := startGateway(t, serving(n), gateway.Options{Observer: &observed})
	if text, err := tell(address, true); err != nil || text != "4" {
		t.Errorf("%q, %v", text, err)
	}
	if o := observed.all(); len(o) != 1 || len(o[0].Failures) != 0 || o[0].Attempts != 1 {
		t.Errorf("observed %+v", o)
	}
}

// TestAStreamKeepsItsDeadline: what isn't whole by then ends in an error of the
// protocol.
func TestAStreamKeepsItsDeadline(t *testing.T) {
	teller := storyteller("good")
	teller.TokensPerSecond = 50
	_, n := onOllama(t, "M1", teller)
	var observed seen
	_, address := startGateway(t, serving(n), gateway.Options{Observer: &observed})
	for protocol, a := range asked {
		_, answer := request(t, address, protocol, gateway.HeaderTimeout, "1s")
		if text, whole := a.read(answer); whole || text == "" || !strings.Contains(string(answer), fmt.Sprintf("not whole within %s", gateway.HeaderTimeout)) {
			t.Errorf("%s: whole %t: %s", protocol, whole, answer)
		}
	}
	for _, o := range observed.all() {
		if !o.Broken || len(o.Failures) != 0 {
			t.Errorf("observed %+v, want a stream that broke by nobody's fault", o)
		}
	}
}
