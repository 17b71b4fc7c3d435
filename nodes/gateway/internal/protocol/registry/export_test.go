package registry

// APIs returns all APIs.
func APIs() []API { return apis }
