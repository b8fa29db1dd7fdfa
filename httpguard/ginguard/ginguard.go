// Package ginguard has the guards of package httpguard, or any other net/http middleware, as middleware of gin:
//
//	r.GET("/api/projects/:id", ginguard.Wrap(guard.RequireScope("projects:read", project)), show)
package ginguard

import (
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"
)

// Wrap returns gin middleware that runs a guard around the handlers which follow. Where the guard lets a request through,
// they find what it has put into the request's context, as httpguard.Account(c.Request.Context()). Where it does not, it
// has answered, and they are aborted.
//
// The parameters of the route are the request's path values, as httpguard.PathResource reads them, without the slash that
// gin leaves at the beginning of a *wildcard. So use it where there is a route: on one, or on a group, and not on an
// engine's NoRoute.
func Wrap(guard func(http.Handler) http.Handler) gin.HandlerFunc {
	return func(c *gin.Context) {
		for _, param := range c.Params {
			c.Request.SetPathValue(param.Key, strings.TrimPrefix(param.Value, "/"))
		}
		passed := false
		guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			passed = true
			request, own := c.Request, c.Writer
			defer func() { c.Request, c.Writer = request, own }()
			c.Request, c.Writer = r, writer{own, w}
			c.Next()
		})).ServeHTTP(c.Writer, c.Request)
		if !passed {
			c.Abort()
		}
	}
}

// writer is gin's own, but that what is written goes through the one that the middleware has handed on.
type writer struct {
	gin.ResponseWriter
	to http.ResponseWriter
}

func (w writer) Header() http.Header                   { return w.to.Header() }
func (w writer) WriteHeader(status int)                { w.to.WriteHeader(status) }
func (w writer) Write(b []byte) (int, error)           { return w.to.Write(b) }
func (w writer) WriteString(s string) (n int, e error) { return w.to.Write([]byte(s)) }
func (w writer) Unwrap() http.ResponseWriter           { return w.to }
