package websession

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/engine"
)

// Row is one session in an [Index].
type Row struct {
	Account, ID string
	Address     netip.Addr // of the last request that was noted; the zero Addr for none
	Agent       event.Agent
	Since, Seen time.Time
}

// Index keeps one row for each session, in a table of the host's for example:
//
//	CREATE TABLE browser_sessions (
//		account TEXT NOT NULL, id TEXT NOT NULL, address TEXT NOT NULL, agent TEXT NOT NULL,
//		since BIGINT NOT NULL, seen BIGINT NOT NULL, PRIMARY KEY (account, id))
//
// A session whose row is gone has ended, whoever has deleted it. Delete rows from time to time that were not seen for
// longer than a session lasts, and SeenEvery more.
//
// Accounts and IDs are compared byte by byte: "ada" and "ADA" are two accounts, so take a collation that is binary. A
// read must see all earlier writes: do not read from a replica that lags behind, or a new session has ended and an
// ended one goes on.
type Index interface {
	// Add inserts a row.
	Add(ctx context.Context, row Row) error
	// Rows returns the rows of an account: that of an ID, or with "" all of them.
	Rows(ctx context.Context, account, id string) ([]Row, error)
	// Touch updates Address, Agent and Seen of a row. It must not insert one: what was ended would come back.
	Touch(ctx context.Context, row Row) error
	// Remove deletes rows of an account, as many as there are.
	Remove(ctx context.Context, account string, ids ...string) error
}

// SeenEvery is how often a session that is in use is noted: whatever its requests are, once in that time.
const SeenEvery = 5 * time.Minute

// Indexed is a Directory on an Index, and the Noter that fills it: give it to Config.Noter and to
// securitypage.Config.Sessions alike. It goes by our cookies alone, so it is for every host, however that keeps
// sessions. Each request of somebody who is signed in reads one row, and a form that changes something reads it again.
type Indexed struct {
	index Index
	life  time.Duration
	now   func() time.Time
}

// NewDirectory returns a Directory of an account's sessions on an Index, or gatehouse.ErrInvalid. A session that was
// not used for life has ended, up to SeenEvery later: take the time after which the host's own sessions end unused.
//
// Sessions that began before there was a Noter have no row: everybody signs in again once it is there.
func NewDirectory(svc *gatehouse.Service, index Index, life time.Duration) (*Indexed, error) {
	if svc == nil || index == nil || life < SeenEvery {
		return nil, fmt.Errorf("%w: NewDirectory takes a Service, an Index and a life of at least %v",
			gatehouse.ErrInvalid, SeenEvery)
	}
	return &Indexed{index, life, engine.Of(svc).Now}, nil
}

// live goes by the last request, which may have been SeenEvery after the one that was noted.
func (d *Indexed) live(row Row) bool { return d.now().Sub(row.Seen) < d.life+SeenEvery }

// SessionBegan implements Noter.
func (d *Indexed) SessionBegan(r *http.Request, account string, s SessionInfo) error {
	return d.index.Add(r.Context(), rowOf(account, s))
}

func rowOf(account string, s SessionInfo) Row {
	return Row{account, s.ID, s.Client.Address, s.Client.Agent, s.Since, s.Seen}
}

// unnotedError is the error of a note of a session that is live.
type unnotedError struct{ error }

// SessionSeen implements Noter. If Touch fails, the session goes on, and Config.Faults is told.
func (d *Indexed) SessionSeen(r *http.Request, account string, s SessionInfo) error {
	rows, err := d.index.Rows(r.Context(), account, s.ID)
	if err != nil {
		return err
	}
	if len(rows) != 1 || rows[0].Account != account || rows[0].ID != s.ID || !d.live(rows[0]) {
		return ErrEnded
	}
	if age := s.Seen.Sub(rows[0].Seen); age >= 0 && age < SeenEvery {
		return nil
	}
	row := rowOf(account, s)
	row.Since = rows[0].Since
	if err := d.index.Touch(r.Context(), row); err != nil {
		return unnotedError{err}
	}
	return nil
}

// SessionOver implements Noter.
func (d *Indexed) SessionOver(r *http.Request, account, id string) error {
	return d.index.Remove(r.Context(), account, id)
}

// List implements Directory.
func (d *Indexed) List(r *http.Request, in gatehouse.Session) (list []SessionInfo, err error) {
	rows, err := d.index.Rows(r.Context(), in.Account, "")
	for _, row := range rows {
		if row.Account == in.Account && d.live(row) {
			list = append(list, SessionInfo{
				ID: row.ID, Client: event.Client{Address: row.Address, Agent: row.Agent}, Since: row.Since, Seen: row.Seen,
				Current: row.ID == SessionID(in),
			})
		}
	}
	return list, err
}

// End implements Directory.
func (d *Indexed) End(r *http.Request, in gatehouse.Session, id string) error {
	rows, err := d.index.Rows(r.Context(), in.Account, id)
	if err != nil {
		return err
	}
	own := func(row Row) bool { return row.Account == in.Account && row.ID == id }
	if id == "" || !slices.ContainsFunc(rows, own) {
		return gatehouse.ErrNotFound
	}
	return d.index.Remove(r.Context(), in.Account, id)
}

// EndOthers implements Directory. A session that begins while it runs may go on.
func (d *Indexed) EndOthers(r *http.Request, in gatehouse.Session) error {
	rows, err := d.index.Rows(r.Context(), in.Account, "")
	if err != nil {
		return err
	}
	var ids []string
	for _, row := range rows {
		if row.Account == in.Account && row.ID != SessionID(in) {
			ids = append(ids, row.ID)
		}
	}
	return d.index.Remove(r.Context(), in.Account, ids...)
}

// MemoryIndex is an Index in memory, for tests: it keeps the rows of browsers that never come back, and when the
// program ends, everybody is signed out.
type MemoryIndex struct {
	mu   sync.Mutex
	rows map[[2]string]Row
}

// Add implements Index.
func (m *MemoryIndex) Add(_ context.Context, row Row) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.rows == nil {
		m.rows = map[[2]string]Row{}
	}
	m.rows[[2]string{row.Account, row.ID}] = row
	return nil
}

// Rows implements Index. They are in the order of their beginning.
func (m *MemoryIndex) Rows(_ context.Context, account, id string) ([]Row, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if id != "" {
		if row, ok := m.rows[[2]string{account, id}]; ok {
			return []Row{row}, nil
		}
		return nil, nil
	}
	var rows []Row
	for key, row := range m.rows {
		if key[0] == account {
			rows = append(rows, row)
		}
	}
	slices.SortFunc(rows, func(a, b Row) int { return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.ID, b.ID)) })
	return rows, nil
}

// Touch implements Index.
func (m *MemoryIndex) Touch(_ context.Context, row Row) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if was, ok := m.rows[[2]string{row.Account, row.ID}]; ok {
		row.Since = was.Since
		m.rows[[2]string{row.Account, row.ID}] = row
	}
	return nil
}

// Remove implements Index.
func (m *MemoryIndex) Remove(_ context.Context, account string, ids ...string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range ids {
		delete(m.rows, [2]string{account, id})
	}
	return nil
}
