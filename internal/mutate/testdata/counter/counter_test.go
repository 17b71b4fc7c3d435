package counter

import "testing"

func TestFull(t *testing.T) {
	c := Counter{Limit: 3}
	if c.Add(1) || c.Add(1) || !c.Add(1) {
		t.Error("it is full at 3, and not before")
	}
}
