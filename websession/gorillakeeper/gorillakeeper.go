// Package gorillakeeper keeps what package websession knows of a browser in a store of gorilla/sessions, in sessions of
// its own next to the host's.
//
// Use it with a store that keeps sessions on the server, and give a FilesystemStore MaxLength(8192): its 4096 bytes are too
// few for some accounts, and then nobody can sign in to them. A CookieStore has no more room than that: the two cookies
// that websession keeps by itself are made for it.
//
// A Store finds no sessions of an account: for a list of them, and to end them one by one, take websession.NewDirectory.
package gorillakeeper

import (
	"errors"
	"io/fs"
	"net/http"
	"time"

	"github.com/gorilla/securecookie"
	"github.com/gorilla/sessions"

	"github.com/gatehouse-go/gatehouse/websession"
)

// New returns a Keeper that keeps everything in sessions of a store, under cookies named "gatehouse-session" and
// "gatehouse-signin". They are of the path and domain of options, and HttpOnly and SameSite=Lax in any case. Set Secure
// unless browsers come without HTTPS.
func New(store sessions.Store, options sessions.Options) websession.Keeper {
	options.HttpOnly, options.SameSite = true, http.SameSiteLaxMode
	return keeper{store, options}
}

type keeper struct {
	store   sessions.Store
	options sessions.Options
}

const (
	prefix = "gatehouse-"
	field  = "text"
)

// Load implements websession.Keeper.
func (k keeper) Load(r *http.Request, name string) (string, error) {
	s, err := k.session(r, name)
	if err != nil {
		return "", err
	}
	text, _ := s.Values[field].(string)
	return text, nil
}

// session returns the session of a name. A cookie that does not open is none, and so is one of a file that is gone; every
// other error is a fault.
func (k keeper) session(r *http.Request, name string) (*sessions.Session, error) {
	s, err := k.store.Get(r, prefix+name)
	var of securecookie.Error
	switch {
	case err == nil:
		return s, nil
	case errors.Is(err, fs.ErrNotExist), errors.As(err, &of) && of.IsDecode():
		s.Values, s.ID, s.IsNew = map[any]any{}, "", true
		return s, nil
	}
	return nil, err
}

// Save implements websession.Keeper. Each text is kept under a new ID: what somebody has planted in the browser leads to
// nothing.
func (k keeper) Save(w http.ResponseWriter, r *http.Request, name, text string, life time.Duration) error {
	s, err := k.session(r, name)
	if err != nil {
		return err
	}
	options := k.options
	s.Options = &options
	options.MaxAge = -1
	delete(s.Values, field)
	if text == "" {
		return k.store.Save(r, w, s)
	}
	if s.ID != "" {
		if err := k.store.Save(r, nowhere{}, s); err != nil {
			return err
		}
	}
	options.MaxAge = int(life / time.Second)
	s.Values[field], s.ID = text, ""
	return k.store.Save(r, w, s)
}

// nowhere is where a cookie is written that another one of the same answer replaces.
type nowhere struct{}

func (nowhere) Header() http.Header         { return http.Header{} }
func (nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (nowhere) WriteHeader(int)             {}
