package scskeeper

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/alexedwards/scs/v2"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/websession"
)

// Keys of what a Directory notes in a session.
const (
	accountKey = prefix + "account"
	idKey      = prefix + "id"
	addressKey = prefix + "address"
	agentKey   = prefix + "agent"
	sinceKey   = prefix + "since" // in Unix seconds, as decimal text: a codec may have no integers; empty: not known
	seenKey    = prefix + "seen"  // the same
)

// endedToken is, with an ID, the token of a record that the session was ended. No cookie can have a semicolon, so no
// browser has it deleted; it has 38 bytes, and stores take 43.
const endedToken = "gatehouse;ended;"

// Directory lists the sessions of an account that a manager's store has, and ends them. It is a websession.Noter as
// well, which notes in each session whose it is and where it was seen: give it to websession.Config.Noter and to
// securitypage.Config.Sessions alike, with any Keeper.
//
// scs finds no session by its account, so a list reads and decodes all sessions of the store, and the form that ends
// one session does so three times: limit how often a client may send it. Above some ten thousand sessions take
// websession.NewDirectory, which has a table of its own.
//
// A session that is used is stored again every five minutes. What says that it was ended or signed out stays in the
// store for as long as the session could have lasted, because a request that was under way may store the session
// again. The store is asked for that at every request but GET and HEAD, and at those once in five minutes: such a
// session shows pages for at most five minutes more, and sends no form. With a store whose Delete is for good, as
// that of examples/webapp, it does not come back at all.
type Directory struct{ manager *scs.SessionManager }

// NewDirectory returns the Directory of a manager, or gatehouse.ErrInvalid: its Store must be one that can be iterated.
func NewDirectory(manager *scs.SessionManager) (*Directory, error) {
	if manager == nil {
		return nil, fmt.Errorf("%w: there is no manager", gatehouse.ErrInvalid)
	}
	switch manager.Store.(type) {
	case scs.IterableStore, scs.IterableCtxStore:
		return &Directory{manager}, nil
	}
	return nil, fmt.Errorf("%w: a %T cannot list its sessions", gatehouse.ErrInvalid, manager.Store)
}

// SessionBegan implements websession.Noter.
func (d *Directory) SessionBegan(r *http.Request, account string, s websession.SessionInfo) (err error) {
	defer outside(&err)
	ctx := r.Context()
	d.manager.Put(ctx, accountKey, account)
	d.manager.Put(ctx, idKey, s.ID)
	d.manager.Put(ctx, sinceKey, text(s.Since))
	d.see(ctx, s)
	_, _, err = d.manager.Commit(ctx)
	return err
}

func (d *Directory) see(ctx context.Context, s websession.SessionInfo) {
	address := ""
	if s.Client.Address.IsValid() {
		address = s.Client.Address.String()
	}
	d.manager.Put(ctx, addressKey, address)
	d.manager.Put(ctx, agentKey, string(s.Client.Agent))
	d.manager.Put(ctx, seenKey, text(s.Seen))
}

// text and moment are how a moment is stored.
func text(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return strconv.FormatInt(t.Unix(), 10)
}

func moment(text string) time.Time {
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.Unix(seconds, 0)
}

// SessionSeen implements websession.Noter. A session from before the Directory is noted from here on; when it began
// is not known.
func (d *Directory) SessionSeen(r *http.Request, account string, s websession.SessionInfo) (err error) {
	defer outside(&err)
	ctx := r.Context()
	known := d.manager.GetString(ctx, idKey) == s.ID && d.manager.GetString(ctx, accountKey) == account
	age := s.Seen.Sub(moment(d.manager.GetString(ctx, seenKey)))
	recent := known && age >= 0 && age < websession.SeenEvery
	if recent && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		return nil
	}
	if _, ended, err := d.find(ctx, endedToken+s.ID); ended || err != nil {
		return orEnded(err)
	}
	switch {
	case !known:
		s.Since = time.Time{}
		return d.SessionBegan(r, account, s)
	case !recent:
		d.see(ctx, s) // scs stores it when the answer begins; if that fails, the next request sets it again
	}
	return nil
}

func orEnded(err error) error {
	if err == nil {
		err = websession.ErrEnded
	}
	return err
}

// SessionOver implements websession.Noter. The host has destroyed the session, or given it another token; a request
// that is under way may store the old one again.
func (d *Directory) SessionOver(r *http.Request, _, id string) (err error) {
	defer outside(&err)
	return d.commit(r.Context(), endedToken+id, d.manager.Deadline(r.Context()))
}

// kept is a session of the store.
type kept struct {
	token    string // as the store has it: a hash where the manager hashes tokens
	deadline time.Time
	websession.SessionInfo
}

// of returns the sessions of an account.
func (d *Directory) of(ctx context.Context, in gatehouse.Session) (list []kept, err error) {
	all, err := d.all(ctx)
	if err != nil {
		return nil, err
	}
	for token, data := range all {
		deadline, values, err := d.manager.Codec.Decode(data)
		if err != nil || values[accountKey] != in.Account { // what cannot be decoded is nobody's
			continue
		}
		k := kept{token: token, deadline: deadline}
		k.ID, _ = values[idKey].(string)
		address, _ := values[addressKey].(string)
		agent, _ := values[agentKey].(string)
		since, _ := values[sinceKey].(string)
		seen, _ := values[seenKey].(string)
		k.Client.Address, _ = netip.ParseAddr(address)
		k.Client.Agent = event.Agent(agent)
		k.Since, k.Seen, k.Current = moment(since), moment(seen), k.ID == websession.SessionID(in)
		list = append(list, k)
	}
	return list, nil
}

// List implements websession.Directory.
func (d *Directory) List(r *http.Request, in gatehouse.Session) (list []websession.SessionInfo, err error) {
	all, err := d.of(r.Context(), in)
	for _, k := range all {
		list = append(list, k.SessionInfo)
	}
	return list, err
}

// End implements websession.Directory.
func (d *Directory) End(r *http.Request, in gatehouse.Session, id string) error {
	ended, err := d.end(r.Context(), in, func(k kept) bool { return k.ID == id && id != "" })
	if err == nil && !ended {
		err = gatehouse.ErrNotFound
	}
	return err
}

// EndOthers implements websession.Directory.
func (d *Directory) EndOthers(r *http.Request, in gatehouse.Session) error {
	_, err := d.end(r.Context(), in, func(k kept) bool { return !k.Current })
	return err
}

// end ends sessions of an account. That one was ended is stored before it is deleted, and for as long as it could come
// back.
func (d *Directory) end(ctx context.Context, in gatehouse.Session, which func(kept) bool) (ended bool, err error) {
	all, err := d.of(ctx, in)
	for _, k := range all {
		if !which(k) {
			continue
		}
		if err := d.commit(ctx, endedToken+k.ID, k.deadline); err != nil {
			return ended, err
		}
		if err := d.delete(ctx, k.token); err != nil {
			return ended, err
		}
		ended = true
	}
	return ended, err
}
