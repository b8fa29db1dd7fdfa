package main

import (
	"bufio"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/posture"
)

func fleetCommand() *cli.Command {
	return &cli.Command{
		Name: "fleet", Usage: "review the protection of every account",
		Description: `By the built-in controls, in the order of the IDs. What only the service knows is not known here: a verified
e-mail address is unknown, and controls, gates and accepted delegations of the service's own are left out.
Without the keys it is not asked whether secrets are under the primary one. Of a service with passkeys say -passkeys:
otherwise accounts without one are not asked to have one.

A table has the controls that fail; -json has one document a line for each account with the state of every
control, and -csv one record. Accounts that never enrolled may be missing: compare with the service's own users.
It changes nothing. Interrupted, it prints how to go on; no heading is printed then, so the output can be appended.` + examples(
			"gatehouse fleet",
			"gatehouse fleet -csv > fleet.csv",
			"gatehouse fleet -json | jq -r 'select(.level == 0) | .account'"),
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "csv", Usage: "print CSV (RFC 4180)"},
			&cli.BoolFlag{Name: "passkeys", Usage: "the service offers passkeys"}, keysFlag(), windowFlag(), afterFlag("an account"),
		},
		Action: fleet,
	}
}

// member is the JSON of one line of fleet.
type member struct {
	Account  string                   `json:"account"`
	Level    int                      `json:"level"`
	Score    int                      `json:"score"`
	Failing  []string                 `json:"failing"`
	Controls map[string]posture.State `json:"controls"`
	Error    string                   `json:"error,omitempty"` // the record cannot be read, and nothing else is known
}

// fleetPolicy leaves out what cannot be known.
func fleetPolicy(keys, passkeys bool) (*posture.Policy, error) {
	model, err := posture.NewModel(posture.ModelConfig{Passkeys: passkeys, Adjust: map[string]func(string) posture.Adjustment{
		posture.KeysCurrent: func(string) posture.Adjustment { return posture.Adjustment{Hide: !keys} },
	}})
	if err != nil {
		return nil, err
	}
	return posture.NewPolicy(model)
}

func fleet(ctx context.Context, c *cli.Command) error {
	if _, err := arguments(c); err != nil {
		return err
	}
	if c.Bool("csv") && c.Bool("json") {
		return usagef("fleet prints CSV or JSON, not both")
	}
	s, err := open(ctx, c, setting{posture: func(keys bool) (*posture.Policy, error) { return fleetPolicy(keys, c.Bool("passkeys")) }})
	if err != nil {
		return err
	}
	defer s.close()
	run := newFleetRun(c, s.out)
	w := walk{"accounts", "account", "", isTerminal(s.errs) && !isTerminal(s.out)}
	err = s.through(ctx, w, func(step func(gatehouse.Progress)) error {
		for r, err := range s.review.Operator(s.svc.Operator("gatehouse")).Reviews(ctx, c.String("after")) {
			if err != nil && r.AccountID == "" {
				return err
			}
			if err := run.add(memberOf(r, err)); err != nil {
				return fmt.Errorf("the output cannot be written: %w", err)
			}
			step(gatehouse.Progress{Seen: run.seen, Cursor: r.AccountID})
		}
		return nil
	})
	if err != nil {
		return err
	}
	if !c.Bool("csv") && !c.Bool("json") {
		fmt.Fprintf(s.out, "\n%s; level 0: %d, 1: %d, 2: %d, 3: %d\n",
			counted(run.seen, "account"), run.levels[0], run.levels[1], run.levels[2], run.levels[3])
	}
	if run.unread > 0 {
		return fmt.Errorf("the records of %s cannot be read", counted(run.unread, "account"))
	}
	return nil
}

// memberOf returns the line of an account, of whose review err is the error.
func memberOf(r posture.Reviewed, err error) member {
	m := member{Account: r.AccountID, Failing: []string{}, Controls: map[string]posture.State{}}
	if err != nil {
		m.Error = "the record cannot be read"
		return m
	}
	m.Level, m.Score = r.Review.Level, r.Review.Score
	for _, f := range r.Review.Findings {
		m.Controls[f.ID] = f.State
		if f.State == posture.Fail || f.State == posture.Partial {
			m.Failing = append(m.Failing, f.ID)
		}
	}
	return m
}

// fleetRun writes accounts and counts them.
type fleetRun struct {
	out          *bufio.Writer
	rows         rows
	head         bool // write it before the first account; a run that goes on has none
	seen, unread int
	levels       [4]int
}

func newFleetRun(c *cli.Command, w io.Writer) *fleetRun {
	out := bufio.NewWriter(w)
	return &fleetRun{out: out, rows: writerOf(c, out), head: c.String("after") == ""}
}

func (f *fleetRun) add(m member) error {
	if f.seen++; m.Error != "" {
		f.unread++
	} else {
		f.levels[m.Level]++
	}
	if f.head {
		f.head = false
		if err := f.rows.head(); err != nil {
			return err
		}
	}
	if err := f.rows.row(m); err != nil {
		return err
	}
	return f.out.Flush() // a run goes on after the accounts that are written
}

// rows writes the accounts of a fleet in one form.
type rows struct {
	head func() error
	row  func(member) error
}

func writerOf(c *cli.Command, out *bufio.Writer) rows {
	switch {
	case c.Bool("json"):
		return rows{func() error { return nil }, func(m member) error { return writeJSON(out, m) }}
	case c.Bool("csv"):
		w := csv.NewWriter(out)
		write := func(fields ...string) error {
			err := w.Write(fields)
			w.Flush()
			return err
		}
		return rows{
			func() error { return write("account", "level", "score", "failing", "error") },
			func(m member) error {
				return write(plain(m.Account), strconv.Itoa(m.Level), strconv.Itoa(m.Score), strings.Join(m.Failing, " "), m.Error)
			},
		}
	}
	return rows{
		func() error {
			_, err := fmt.Fprintf(out, "%5s  %5s  %-24s  %s\n", "LEVEL", "SCORE", "ACCOUNT", "FAILING")
			return err
		},
		func(m member) error {
			if m.Error != "" {
				_, err := fmt.Fprintf(out, "%5s  %5s  %-24s  %s\n", "-", "-", shown(m.Account), m.Error)
				return err
			}
			_, err := fmt.Fprintf(out, "%5d  %5d  %-24s  %s\n", m.Level, m.Score, shown(m.Account), strings.Join(m.Failing, " "))
			return err
		},
	}
}

// plain returns an ID so that a spreadsheet takes it for no formula, and a terminal for no command.
func plain(id string) string {
	id = oneLine(id)
	if id != "" && strings.ContainsRune("=+-@", rune(id[0])) {
		return "'" + id
	}
	return id
}
