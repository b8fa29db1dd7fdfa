// Package routers tries the lines of docs/your-stack.md, for each router: guards of every kind, with resources from the
// path, and the Security page with all that is below it. It is tests alone, in a module of its own, so that nobody needs
// these routers.
package routers
