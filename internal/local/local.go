// Package local has the rules for paths of the service itself: where a redirect may lead, and which path browsers see of
// a request where a proxy or http.StripPrefix has taken a part of it off.
package local

import (
	"net/http"
	"net/url"
	"path"
	"strings"
)

// Is reports whether a link is a path of this service, and not one that leads a browser elsewhere.
func Is(link string) bool {
	return strings.HasPrefix(link, "/") && !strings.HasPrefix(link, "//") && !strings.ContainsFunc(link, func(r rune) bool {
		return r == '\\' || r < ' ' || r == 0x7f
	})
}

// IsPath reports whether a path is one that a page or a prefix of it can have.
func IsPath(p string) bool {
	return Is(p) && p != "/" && path.Clean(p) == p && !strings.ContainsAny(p, "{}?#% ")
}

// Public returns the address of a request as browsers see it. prefix is what a proxy has taken off.
func Public(r *http.Request, prefix string) *url.URL { return under(prefix, asked(r)) }

// Below returns the address of a request as browsers see it, if it is at or below a path, whatever has taken a part of it
// off, and nil if it is elsewhere. A path that a router could take for another one is elsewhere.
func Below(r *http.Request, prefix, at string) *url.URL {
	if strings.HasPrefix(r.URL.Path, "/") && path.Clean(r.URL.Path) != strings.TrimSuffix(r.URL.Path, "/") && r.URL.Path != "/" {
		return nil
	}
	all := asked(r)
	if !strings.HasSuffix(all.Path, r.URL.Path) {
		all = r.URL
	}
	candidates := []*url.URL{under(prefix, r.URL), under(prefix, all)}
	if all.Path != r.URL.Path { // a handler has taken something off, or put something else in its place
		candidates = append(candidates, r.URL)
	}
	for _, u := range candidates {
		if u.Path == at || strings.HasPrefix(u.Path, at+"/") && path.Clean(u.Path) == strings.TrimSuffix(u.Path, "/") {
			return u
		}
	}
	return nil
}

// asked returns what this program was asked for, before its own handlers have taken anything off.
func asked(r *http.Request) *url.URL {
	u, err := url.ParseRequestURI(r.RequestURI)
	if err != nil || u.Path == "" { // a request that no server has read, or one for no path
		return r.URL
	}
	return u
}

// under returns a URL whose path is below a prefix.
func under(prefix string, u *url.URL) *url.URL {
	out := new(*u)
	out.Path = prefix + u.Path
	if u.RawPath != "" {
		out.RawPath = prefix + u.RawPath
	}
	return out
}
