package websession

import (
	"encoding/base64"
	"errors"
	"net/http"
	"time"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/engine"
)

// Directory lists the browser sessions of an account and ends them one by one, where the host keeps them. It is for
// securitypage.Config.Sessions. A host that has a table of its sessions implements it on that; [NewDirectory] and the
// module scskeeper have one for others. Each method is given the session that asks, which counts. Errors are faults,
// but for gatehouse.ErrNotFound.
type Directory interface {
	// List returns the sessions of in.Account that have not ended, in any order: that of the request is among them.
	List(r *http.Request, in gatehouse.Session) ([]SessionInfo, error)
	// End ends the session of an ID if it is one of in.Account: its next request is nobody's. gatehouse.ErrNotFound says
	// that in.Account has no such session: it has ended meanwhile, or it is another account's.
	End(r *http.Request, in gatehouse.Session, id string) error
	// EndOthers ends all sessions of in.Account but that of the request.
	EndOthers(r *http.Request, in gatehouse.Session) error
}

// SessionInfo is one browser session of an account.
type SessionInfo struct {
	// ID names it, in forms. It must open nothing: never the value of a cookie.
	ID string

	Client  event.Client // where it was seen last
	Since   time.Time    // when somebody signed in; zero where that is not known
	Seen    time.Time    // its last request, or one up to some minutes before
	Current bool         // it is that of the request
}

// Noter is told which sessions there are, so that a [Directory] can list them: Config.Noter. An error is a fault: the
// request is answered with 503, or the sign-in with an error. Where there is a Noter, a session of which nothing is
// kept here, such as one from before the host used Gatehouse, does not count: it was never noted.
type Noter interface {
	// SessionBegan notes a session. Of a browser that was signed in before, SessionOver has been told.
	SessionBegan(r *http.Request, account string, s SessionInfo) error
	// SessionSeen is called for each request of a session that counts: what it writes at each of them, it writes
	// very often. ErrEnded says that the session has been ended, and ends it here.
	SessionSeen(r *http.Request, account string, s SessionInfo) error
	// SessionOver is told that somebody has signed out, or that a session has ended of which this request was. It may be
	// unknown. At a sign-in its errors let nobody in; otherwise they go to Config.Faults alone.
	SessionOver(r *http.Request, account, id string) error
}

// ErrEnded is what Noter.SessionSeen returns for a session that was ended.
var ErrEnded = errors.New("websession: the session was ended")

// SessionID returns what a Noter calls a session, "" for one that has no Secret. It is the same for as long as the
// session lasts, and leads to nothing.
func SessionID(in gatehouse.Session) string {
	if in.Secret == "" {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(engine.Digest("session ID\x00" + in.Secret))
}
