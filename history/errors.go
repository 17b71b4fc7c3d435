package history

import "errors"

// ErrUnreadable is wrapped by errors of a store whose content cannot be read
// because it is damaged or of another kind. The store is not changed.
var ErrUnreadable = errors.New("the history can't be read")
