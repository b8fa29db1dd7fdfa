package httpguard

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// ErrResource is for a ResourceFunc: the request does not say what it is about, or not in a form that the host can
// read. It is answered 400.
var ErrResource = errors.New("httpguard: the request does not name its resource")

// ResourceFunc returns the host's ID of what a request is about, such as "project/7", as tokens can be restricted to it.
// It is called once the token was found good. "" is a fault, and so is every error but ErrResource: the answer is 500,
// and Config.Faults is told. A nil ResourceFunc is that of a route that belongs to no resource: tokens that are restricted
// to resources are refused there.
type ResourceFunc func(*http.Request) (string, error)

// PathResource returns a ResourceFunc that fills in a pattern with the path values of the request: "project/{id}" where
// the route is "GET /api/projects/{id}", or "file/{path...}" where that takes the rest of a path. A value that is empty or
// not there is a fault, as a router that does not set Request.PathValue has none: docs/your-stack.md has the line that
// does, for each router. A slash in a value is ErrResource unless the name ends in "...": it came as %2F, and the ID
// would be that of something below another resource.
func PathResource(pattern string) ResourceFunc {
	return func(r *http.Request) (string, error) {
		var id strings.Builder
		for rest := pattern; ; {
			text, after, found := strings.Cut(rest, "{")
			id.WriteString(text)
			if !found {
				return id.String(), nil
			}
			name, after, closed := strings.Cut(after, "}")
			name, whole := strings.CutSuffix(name, "...")
			value := r.PathValue(name)
			switch {
			case !closed || value == "":
				return "", fmt.Errorf("httpguard: the route has no path value %q, which the resource %q needs", name, pattern)
			case !whole && strings.Contains(value, "/"):
				return "", ErrResource
			}
			id.WriteString(value)
			rest = after
		}
	}
}

var errNoResource = errors.New(`httpguard: the function of a route's resource has returned ""`)

// of returns the resource of a request, "" where there is none.
func (f ResourceFunc) of(r *http.Request) (string, error) {
	if f == nil {
		return "", nil
	}
	id, err := f(r)
	if err == nil && id == "" {
		err = errNoResource
	}
	return id, err
}
