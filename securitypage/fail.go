package securitypage

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/posture"
)

var (
	errNotFound = errors.New("securitypage: no such page")
	errMethod   = errors.New("securitypage: wrong method")
	errForeign  = errors.New("securitypage: the form comes from another site")
	errForm     = errors.New("securitypage: the form cannot be read")
	errStale    = errors.New("securitypage: the form was used, or made before something changed")
)

// fail answers with the page of an error.
func (c *call) fail(err error) {
	var gate *posture.GateError
	var tooBig *http.MaxBytesError
	switch {
	case errors.Is(err, gatehouse.ErrStepUpRequired):
		err = c.prompt(http.StatusForbidden, nil)
	case errors.As(err, &gate):
		err = c.closed(gate.Decision)
	case errors.Is(err, errNotFound):
		err = c.message(http.StatusNotFound, "missing")
	case errors.Is(err, errMethod):
		err = c.message(http.StatusMethodNotAllowed, "method")
	case errors.Is(err, errForeign):
		err = c.message(http.StatusForbidden, "foreign")
	case errors.As(err, &tooBig):
		err = c.message(http.StatusRequestEntityTooLarge, "toobig")
	case errors.Is(err, errForm):
		err = c.message(http.StatusBadRequest, "form")
	case errors.Is(err, errStale), errors.Is(err, gatehouse.ErrPrecondition), errors.Is(err, gatehouse.ErrNotFound):
		err = c.message(http.StatusConflict, "stale")
	case errors.Is(err, gatehouse.ErrInvalid):
		err = c.message(http.StatusUnprocessableEntity, "invalid")
	case errors.Is(err, gatehouse.ErrBusy):
		c.w.Header().Set("Retry-After", "5")
		err = c.message(http.StatusServiceUnavailable, "busy")
	}
	if err == nil {
		return
	}
	c.log(err)
	if c.message(http.StatusInternalServerError, "fault") != nil {
		http.Error(c.w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
	}
}

// message answers with a page that has nothing but a text.
func (c *call) message(status int, key string) error {
	return c.render(status, "message", key)
}

// closed answers with what keeps a gate closed, and how to open it.
func (c *call) closed(d posture.Decision) error {
	c.wanted = &wanted{d.Action, c.back()}
	return c.render(http.StatusForbidden, "gate", d)
}

// log tells only the host. Errors of Gatehouse hold no secrets. That a browser has hung up is no error of the
// service's.
func (c *call) log(err error) {
	level := slog.LevelError
	if c.ctx().Err() == context.Canceled {
		level = slog.LevelInfo
	}
	c.p.c.Faults.Log(c.ctx(), level, "securitypage: a request has failed", "path", c.r.URL.Path, "error", err)
}
