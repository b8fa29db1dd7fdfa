package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/keyring"
)

func importCommand() *cli.Command {
	return &cli.Command{
		Name: "import", Usage: "turn two-factor on for accounts with what another system had of them", ArgsUsage: "FILE",
		Description: `FILE is CSV (RFC 4180, UTF-8) with a header line; - is standard input. It has secrets: give it mode 0600. The
column account, the service's own ID, is needed, and these may be there, empty where nothing is known:
  secret           base32, in any spelling; or secret_hex, hexadecimal
  algorithm        SHA1 (the default), SHA256 or SHA512
  digits, period   6 and 30 where they are empty; another period cannot be imported
  name             that the owner reads, such as Phone
  last_step        of the last code that was accepted: Unix seconds over 30
  recovery_codes   unused codes in plain, with spaces between
  recovery_hashes  hashes of them, with spaces between: bcrypt, Argon2id, SHA-256, PBKDF2-SHA256
  recovery_digits  how many digits those codes have, if they are digits
A line is one authenticator; lines of one account that follow each other are one import.

Run it with -dry-run first: it says what each line would come to and changes nothing. Lines that are refused are
named on standard error and the rest goes on; the exit status is then 1. With -close, accounts of which no
authenticator can be imported are closed: the second step is needed, and their operator's codes are in that file.
Without it they are refused, and their password alone signs in. It can be run again: what is there is left as it
is. Interrupted, it has lost nothing, and prints how to go on. No secret is printed or reported, and none but those
codes is written. A service that keeps secrets with a key service (Config.Sealer) calls Operator.Import itself.` + examples(
			"gatehouse import users.csv -dry-run -close codes.csv -report report.csv -operator ada -keys gatehouse.keys",
			`gatehouse import users.csv -close codes.csv -report report.csv -operator ada -reason "from the old system" -keys gatehouse.keys`),
		Flags: operatorFlags(keysFlag(),
			&cli.BoolFlag{Name: "dry-run", Usage: "change nothing: say what would be done"},
			&cli.StringFlag{Name: "report", Usage: "`FILE` for what became of each line, as CSV without secrets"},
			&cli.StringFlag{Name: "close", Usage: "close accounts of which no authenticator can be imported, and append their codes to this `FILE`, mode 0600"},
			&cli.DurationFlag{Name: "code-life", Value: core.DefaultImportLife, Usage: "how long those codes work, 1h to 2160h, as a `DURATION`"},
			&cli.IntFlag{Name: "after", Usage: "go on after this `LINE` of the file: what an interrupted run has printed"},
		),
		Action: importFile,
	}
}

func importFile(ctx context.Context, c *cli.Command) error {
	args, err := arguments(c, "FILE (or -)")
	if err != nil {
		return err
	}
	life, dry := c.Duration("code-life"), c.Bool("dry-run")
	switch {
	case life < core.MinImportLife || life > core.MaxImportLife:
		return usagef("-code-life is 1h to 2160h")
	case c.String("close") == "" && c.IsSet("code-life"):
		return usagef("-code-life goes with -close")
	}
	in, err := openImport(args[0], c.Root().Reader)
	if err != nil {
		return err
	}
	defer in.Close()
	file, err := await(ctx, func() (*importReader, error) { return newImportReader(in) })
	if err != nil {
		return err
	}
	s, operator, err := operating(ctx, c, setting{keys: true, dry: dry})
	if err != nil {
		return err
	}
	defer s.close()
	s.events.each = func(event.Event) {} // there may be millions
	r := &importing{s: s, operator: operator, closes: c.String("close") != "", life: life, after: c.Int("after"), stdin: args[0] == "-"}
	if r.report, err = newImportReport(c.String("report"), c.String("close"), r.after > 0, dry, s.errs); err != nil {
		return err
	}
	defer r.report.close()
	return r.end(r.run(ctx, file))
}

// importing is one run of import.
type importing struct {
	s        *session
	operator gatehouse.Operator
	report   *importReport
	closes   bool
	life     time.Duration
	after    int // the line after which to begin
	stdin    bool
	shown    *progress
}

// group is lines of one account on their way, or why there are no more.
type group struct {
	lines []importLine
	err   error
}

// run imports everything. The error is what has ended it.
func (r *importing) run(ctx context.Context, file *importReader) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	groups := make(chan group)
	go func() { // which an interrupted run leaves behind, waiting for its input
		for {
			lines, err := file.group()
			select {
			case groups <- group{lines, err}:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	r.shown = r.s.newProgress(ctx, walk{one: "line", did: "imported", progress: true})
	defer r.shown.end()
	for {
		var next group
		select {
		case next = <-groups:
		case <-ctx.Done():
			return errInterrupted
		}
		switch {
		case next.err == io.EOF:
			return nil
		case next.err != nil:
			return next.err
		case next.lines[len(next.lines)-1].last <= r.after:
			continue
		}
		if err := r.account(ctx, next.lines); err != nil {
			return r.s.db.explain(ctx, err)
		}
		n := r.report.counts
		r.shown.step(gatehouse.Progress{Seen: n.Lines, Done: n.Imported, Cursor: strconv.Itoa(n.After)})
	}
}

// account imports what the lines of one account have. The error is a fault; whatever is wrong with the account itself
// goes into the report.
func (r *importing) account(ctx context.Context, lines []importLine) error {
	if lines[0].problem != "" {
		return r.add(lines, gatehouse.ImportResult{}, errors.New(lines[0].problem))
	}
	in := gatehouse.Import{Close: r.closes}
	if r.closes {
		in.CodeLife = r.life
	}
	for _, l := range lines {
		in.Authenticators = append(in.Authenticators, l.auths...)
		in.RecoveryCodes = append(in.RecoveryCodes, l.codes...)
	}
	result, err := r.operator.Import(ctx, lines[0].account, in)
	if err != nil && !ofAccount(err) {
		return err
	}
	if err := r.report.closed(lines[0].account, result); err != nil {
		return err
	}
	return r.add(lines, result, err)
}

func (r *importing) add(lines []importLine, result gatehouse.ImportResult, err error) error {
	if err != nil {
		r.shown.end() // the bar, which a line on standard error would cut in two
	}
	return r.report.add(resultsOf(lines, result, err))
}

// ofAccount reports whether an error is of one account alone, so that the others go on.
func ofAccount(err error) bool {
	for _, of := range []error{gatehouse.ErrInvalid, gatehouse.ErrPrecondition, core.ErrFormat, keyring.ErrOpen, keyring.ErrUnknownKey} {
		if errors.Is(err, of) {
			return true
		}
	}
	return false
}

// end prints what was done, and says where to go on after err.
func (r *importing) end(err error) error {
	n := r.report.counts
	n.Complete, n.After = err == nil, max(n.After, r.after)
	if failed := report(r.s.c, n.String(), n); err == nil {
		err = failed
	}
	switch {
	case err != nil && !n.Complete:
		with := ""
		if r.stdin {
			with = ", with the same input"
		}
		cursor := ""
		if n.After > 0 {
			cursor = strconv.Itoa(n.After)
		}
		return fmt.Errorf("%w after %s; go on with: %s%s", err, counted(n.Lines, "line"), r.s.again(cursor), with)
	case err != nil:
		return err
	case n.Refused > 0:
		err = fmt.Errorf("%s refused: unless the account has a second factor here already, its password alone signs in", counted(n.Refused, "line"))
	}
	return errors.Join(err, r.s.logged())
}

// await returns what f returns, or errInterrupted if ctx ends first: f then goes on, waiting for its input.
func await[T any](ctx context.Context, f func() (T, error)) (T, error) {
	type answer struct {
		v   T
		err error
	}
	answers := make(chan answer, 1)
	go func() {
		v, err := f()
		answers <- answer{v, err}
	}()
	select {
	case a := <-answers:
		return a.v, a.err
	case <-ctx.Done():
		var none T
		return none, errInterrupted
	}
}
