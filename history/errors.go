package history

import "errors"

// ErrUnreadable is wrapped by the error of a store that cannot be read: it is
// damaged, or something else. Nothing is written to it then.
var ErrUnreadable = errors.New("the history can't be read")
