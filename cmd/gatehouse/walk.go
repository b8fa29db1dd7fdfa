package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/urfave/cli/v3"
	"golang.org/x/term"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
)

// afterFlag is where a command that goes through everything begins.
func afterFlag(what string) cli.Flag {
	return &cli.StringFlag{Name: "after", Usage: "go on after this `ID` of " + what + ": what an interrupted run has printed"}
}

// walked is how far a command has come that goes through all accounts or tokens. It is its JSON.
type walked struct {
	Seen     int    `json:"seen"`
	Done     int    `json:"done"`     // of them, those that something was done to
	Failed   int    `json:"failed"`   // of them, those that cannot be read
	Cursor   string `json:"cursor"`   // the last one seen
	Complete bool   `json:"complete"` // nothing is left to go on with
}

func walkedOf(p gatehouse.Progress, complete bool) walked {
	return walked{p.Seen, p.Done, p.Failed, p.Cursor, complete}
}

// walk is a command that goes through a table.
type walk struct {
	table    string // accounts or tokens; "" for neither
	one      string // what there is one of in it
	did      string // what is done to them, "" for nothing
	progress bool   // whether to show how far it is
}

// through runs a command that goes through a table, and says at its end what it has done, or where to go on.
// run calls its argument after each.
func (s *session) through(ctx context.Context, w walk, run func(seen func(gatehouse.Progress)) error) error {
	s.events.each = func(event.Event) {} // there may be millions
	now := gatehouse.Progress{Cursor: s.c.String("after")}
	shown := s.newProgress(ctx, w)
	err := run(func(n gatehouse.Progress) {
		now = n
		shown.step(n)
	})
	shown.end()
	complete := err == nil
	if err != nil && ctx.Err() == nil && w.table == "accounts" {
		// What was passed over is told at the end alone.
		rest, failed := s.store.Accounts(ctx, now.Cursor, 1)
		complete = failed == nil && len(rest.Records) == 0
	}
	if w.did != "" {
		if failed := report(s.c, w.summary(now), walkedOf(now, complete)); err == nil {
			err = failed
		}
	}
	if err == nil && now.Failed > 0 {
		return fmt.Errorf("the records of %s cannot be read, and are left as they are", counted(now.Failed, w.one))
	}
	if err == nil {
		return s.logged()
	}
	err = s.db.explain(ctx, err)
	if complete {
		return err
	}
	return fmt.Errorf("%w after %s; go on with: %s", err, counted(now.Seen, w.one), s.again(now.Cursor))
}

func (w walk) summary(n gatehouse.Progress) string {
	text := fmt.Sprintf("%s seen, %d %s", counted(n.Seen, w.one), n.Done, w.did)
	if n.Failed > 0 {
		text += fmt.Sprintf(", %d cannot be read", n.Failed)
	}
	return text
}

// again returns the command line that goes on after a cursor.
func (s *session) again(cursor string) string {
	var line []string
	args := s.c.Root().Metadata["args"].([]string)
	for i := 0; i < len(args); i++ {
		name := strings.TrimPrefix(strings.TrimPrefix(args[i], "-"), "-")
		switch {
		case name != args[i] && name == "after":
			i++
		case name != args[i] && strings.HasPrefix(name, "after="):
		case i == 0:
			line = append(line, "gatehouse")
		default:
			line = append(line, shellWord(args[i]))
		}
	}
	if cursor != "" {
		line = append(line, "-after", shellWord(cursor))
	}
	return strings.Join(line, " ")
}

// logged returns an error if an event was not logged.
func (s *session) logged() error {
	if s.log != nil && s.log.failed != nil {
		return fmt.Errorf("it is done, but the event log could not be written: %w", s.log.failed)
	}
	return nil
}

// progress shows how far a command is: a bar on a terminal, lines elsewhere.
type progress struct {
	w     walk
	out   io.Writer
	total int64 // -1: not known
	bar   *progressbar.ProgressBar
	last  time.Time
}

const (
	linesEvery = 500 // accounts or tokens
	linesPause = 5 * time.Second
)

func (s *session) newProgress(ctx context.Context, w walk) *progress {
	if !w.progress {
		return nil
	}
	p := &progress{w: w, out: s.errs, total: -1, last: time.Now()}
	if w.table != "" {
		p.total = s.count(ctx, w)
	}
	if isTerminal(s.errs) {
		p.bar = progressbar.NewOptions64(p.total, progressbar.OptionSetWriter(s.errs), progressbar.OptionShowCount(),
			progressbar.OptionSetDescription(w.one+"s"), progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionClearOnFinish(), progressbar.OptionSetWidth(30))
	}
	return p
}

// count returns how many accounts or tokens there are to go through, -1 if that cannot be found out.
func (s *session) count(ctx context.Context, w walk) int64 {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	count := s.store.CountAccounts
	if w.table == "tokens" {
		count = s.store.CountTokens
	}
	n, err := count(ctx, s.c.String("after"))
	if err != nil {
		return -1
	}
	return n
}

func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

func (p *progress) step(n gatehouse.Progress) {
	switch {
	case p == nil:
	case p.bar != nil:
		_ = p.bar.Set(n.Seen)
	case n.Seen%linesEvery == 0 || time.Since(p.last) > linesPause:
		p.last = time.Now()
		of := ""
		if p.total >= 0 {
			of = fmt.Sprintf(" of %d", p.total)
		}
		fmt.Fprintf(p.out, "%d%s, %d %s, at %s\n", n.Seen, of, n.Done, p.w.did, shown(n.Cursor))
	}
}

func (p *progress) end() {
	if p != nil && p.bar != nil {
		_ = p.bar.Clear()
	}
}

func resealCommand() *cli.Command {
	return &cli.Command{
		Name: "reseal", Usage: "move every secret to the primary key, so that older keys can go",
		Description: `It works beside the running service. Interrupted, it has lost nothing, and prints how to go on. Secrets
that do not open are left as they are, and the exit status is then 1. A service that keeps the secrets of
authenticators with a key service (Config.Sealer) calls Operator.Reseal itself: this command knows keys alone.` + examples(
			"gatehouse reseal -operator ada -keys gatehouse.keys"),
		Flags: operatorFlags(keysFlag(), afterFlag("an account")),
		Action: func(ctx context.Context, c *cli.Command) error {
			s, operator, err := openAs(ctx, c, setting{keys: true})
			if err != nil {
				return err
			}
			defer s.close()
			return s.through(ctx, walk{"accounts", "account", "moved", true}, func(seen func(gatehouse.Progress)) error {
				_, err := operator.Reseal(ctx, c.String("after"), seen)
				return err
			})
		},
	}
}

// openAs is open for a command without arguments that changes something.
func openAs(ctx context.Context, c *cli.Command, need setting) (*session, gatehouse.Operator, error) {
	if _, err := arguments(c); err != nil {
		return nil, gatehouse.Operator{}, err
	}
	return operating(ctx, c, need)
}

func afterRestoreCommand() *cli.Command {
	return &cli.Command{
		Name: "after-restore", Usage: "end what a restored backup has made fresh again",
		Description: `In a database that was put back to an earlier state, codes that were used since then work again. Run this
before the service starts. For every account it ends challenges, proofs, pending enrollments and operators' codes,
uses up the codes of authenticators up to now (new ones are accepted after two and a half minutes, or sooner where
-window names a narrower one than the widest), and voids
recovery codes: owners make new ones once they have signed in with their authenticator, and those who have lost
it need a reset. The second step stays needed.

What it cannot know has to be repeated from the events: suspensions, revocations and deletions since the
backup. Run it again from the start only if that is wanted: it also ends what owners have made since.` + examples(
			"gatehouse after-restore -operator ada -reason \"restored last night's backup\"",
			"gatehouse after-restore -operator ada -keep-recovery-codes -revoke-tokens"),
		Flags: operatorFlags(
			&cli.BoolFlag{Name: "keep-recovery-codes", Usage: "leave recovery codes: those used since the backup work again"},
			&cli.BoolFlag{Name: "revoke-tokens", Usage: "revoke every access token: those revoked since the backup work again otherwise"},
			afterFlag("an account"),
		),
		Action: func(ctx context.Context, c *cli.Command) error {
			s, operator, err := openAs(ctx, c, setting{})
			if err != nil {
				return err
			}
			defer s.close()
			what := gatehouse.Restoration{KeepRecoveryCodes: c.Bool("keep-recovery-codes"), RevokeTokens: c.Bool("revoke-tokens")}
			return s.through(ctx, walk{"accounts", "account", "done", true}, func(seen func(gatehouse.Progress)) error {
				_, err := operator.AfterRestore(ctx, what, c.String("after"), seen)
				return err
			})
		},
	}
}
