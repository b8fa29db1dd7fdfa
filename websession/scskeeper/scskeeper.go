// Package scskeeper keeps what package websession knows of a browser in the host's scs session, on the server.
//
// The order of handlers is LoadAndSave, then websession's Middleware, then the host's own:
//
//	web, err := websession.New(websession.Config{Keeper: scskeeper.New(manager), …})
//	handler := manager.LoadAndSave(web.Middleware(mux))
//
// scs loads a session when a request begins, and stores all of it when the answer begins. Of two requests of one browser
// at the same instant the later one to store wins: a handler that puts something into the session may take back a proof
// that another request has kept meanwhile, and the owner is asked for a code again. Nobody gets in by that, and the two
// cookies that websession keeps by itself do not have it.
package scskeeper

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/alexedwards/scs/v2"

	"github.com/gatehouse-go/gatehouse/websession"
)

// New returns a Keeper that keeps everything in the sessions of a manager.
func New(manager *scs.SessionManager) websession.Keeper { return keeper{manager} }

type keeper struct{ manager *scs.SessionManager }

const prefix = "gatehouse."

// errOutside is for a request that LoadAndSave has not seen, of which scs makes a panic.
var errOutside = errors.New("scskeeper: the request has no scs session: put LoadAndSave outside of websession's Middleware")

func outside(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("%w (%v)", errOutside, r)
	}
}

// Load implements websession.Keeper.
func (k keeper) Load(r *http.Request, name string) (text string, err error) {
	defer outside(&err)
	return k.manager.GetString(r.Context(), prefix+name), nil
}

// Save implements websession.Keeper. It stores the session at once, so that a store that fails is an error of the change
// and not of the answer: scs itself would store it when the answer begins, and tell only its ErrorFunc. How long it is
// kept is for the session's own Lifetime.
func (k keeper) Save(_ http.ResponseWriter, r *http.Request, name, text string, _ time.Duration) (err error) {
	defer outside(&err)
	if text == "" {
		k.manager.Remove(r.Context(), prefix+name)
	} else {
		k.manager.Put(r.Context(), prefix+name, text)
	}
	_, _, err = k.manager.Commit(r.Context())
	return err
}
