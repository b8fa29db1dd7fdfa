package main

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/storage"
)

// operating is open for a command that changes something.
func operating(ctx context.Context, c *cli.Command, need setting) (*session, gatehouse.Operator, error) {
	id := c.String("operator")
	if id == "" {
		return nil, gatehouse.Operator{}, usagef("%s needs -operator (or GATEHOUSE_OPERATOR): who does this", c.Name)
	}
	s, err := open(ctx, c, need)
	if err != nil {
		return nil, gatehouse.Operator{}, err
	}
	return s, s.svc.Operator(id).Because(c.String("reason")), nil
}

// onAccount runs a command that changes the account it names.
func onAccount(do func(ctx context.Context, s *session, o gatehouse.Operator, account string) error) cli.ActionFunc {
	return func(ctx context.Context, c *cli.Command) error {
		args, err := arguments(c, "ACCOUNT")
		if err != nil {
			return err
		}
		s, operator, err := operating(ctx, c, setting{})
		if err != nil {
			return err
		}
		defer s.close()
		if err := do(ctx, s, operator, args[0]); err != nil {
			return s.db.explain(ctx, err)
		}
		return s.logged()
	}
}

// known returns an error where there is no account.
func (s *session) known(ctx context.Context, account string) error {
	rec, err := s.store.LoadAccount(ctx, account)
	if errors.Is(err, storage.ErrNotFound) {
		return fmt.Errorf("nothing is stored of an account %s", shown(account))
	}
	if a, broken := core.Decode(account, rec.Data); err == nil && broken == nil && a.Absent() {
		return fmt.Errorf("the account %s was deleted", shown(account))
	}
	return err
}

func resetCommand() *cli.Command {
	return &cli.Command{
		Name: "reset", Usage: "remove every factor of an owner who has lost them, and print the operator code", ArgsUsage: "ACCOUNT",
		Description: `For an owner who has proven by other means who they are. Apps, passkeys, recovery codes and tokens go, and
one code is printed, once, on standard output: hand it to the owner on a channel that the password does not open.
It works once within 24 hours, after the password, and leads to a new enrollment. Until then the password alone
gets nobody in. Another reset makes another code and ends this one.` + examples(
			`gatehouse reset user-42 -operator ada -reason "lost phone, ticket 4711"`),
		Flags: operatorFlags(),
		Action: func(ctx context.Context, c *cli.Command) error {
			if c.Args().Present() && c.String("reason") == "" {
				return usagef("reset needs -reason")
			}
			return onAccount(reset)(ctx, c)
		},
	}
}

func reset(ctx context.Context, s *session, o gatehouse.Operator, account string) error {
	if err := s.known(ctx, account); err != nil {
		return err
	}
	signal.Ignore(syscall.SIGPIPE) // which would end the command without a word of the code that nobody has read
	code, err := o.Reset(ctx, account)
	if err != nil {
		return err
	}
	made, _ := s.happened(event.OperatorCodeMade)
	if s.c.Bool("json") {
		err = printJSON(s.c, struct {
			Account string     `json:"account"`
			Code    string     `json:"code"`
			Expires *time.Time `json:"expires"`
		}{account, code.Reveal(), when(made.Expires)})
	} else {
		fmt.Fprintf(s.errs, "%s has no factor any more. This code works once, until %s:\n", shown(account), at(made.Expires))
		_, err = fmt.Fprintln(s.out, code.Reveal())
	}
	if err != nil {
		return errCodeLost
	}
	return nil
}

// changed is what unlock, suspend and resume say in JSON.
type changed struct {
	Account string   `json:"account"`
	Changed bool     `json:"changed"`
	Methods []string `json:"methods,omitempty"` // that were unlocked

	Untold []event.Notice `json:"untold,omitempty"` // what the owner of a deleted account had yet to be told
}

func unlockCommand() *cli.Command {
	return &cli.Command{
		Name: "unlock", Usage: "open the methods that wrong codes have locked", ArgsUsage: "ACCOUNT",
		Description: "Codes of apps and recovery codes both; passkeys are never locked. Somebody has given wrong codes after the right password: if it was not the owner, have the password changed first." +
			examples(`gatehouse unlock user-42 -operator ada -reason "ticket 4711"`),
		Flags: operatorFlags(),
		Action: onAccount(func(ctx context.Context, s *session, o gatehouse.Operator, account string) error {
			if err := s.known(ctx, account); err != nil {
				return err
			}
			done := changed{Account: account}
			for _, m := range []event.Method{event.MethodTOTP, event.MethodRecoveryCode} {
				if err := o.Unlock(ctx, account, m); err != nil {
					return err
				}
			}
			for _, e := range s.events.told {
				if e.Kind == event.MethodUnlocked {
					done.Changed, done.Methods = true, append(done.Methods, string(e.Method))
				}
			}
			if !done.Changed {
				return report(s.c, "nothing of "+shown(account)+" is locked", done)
			}
			return report(s.c, "unlocked "+strings.Join(done.Methods, " and ")+" of "+shown(account), done)
		}),
	}
}

func suspendCommand() *cli.Command {
	return &cli.Command{
		Name: "suspend", Usage: "let nobody into an account: sign-ins, proofs and tokens end at once", ArgsUsage: "ACCOUNT",
		Description: "An account of which nothing is stored yet, as it never enrolled, can be suspended too; the command says so, as it may be a slip. Sessions are the service's own to end." +
			examples(`gatehouse suspend user-42 -operator ada -reason "token found in a paste"`),
		Flags: operatorFlags(),
		Action: onAccount(func(ctx context.Context, s *session, o gatehouse.Operator, account string) error {
			unknown := s.known(ctx, account)
			if err := o.Suspend(ctx, account); err != nil {
				return err
			}
			_, done := s.happened(event.AccountSuspended)
			if !done {
				return report(s.c, shown(account)+" was suspended already", changed{Account: account})
			}
			if unknown != nil {
				fmt.Fprintln(s.errs, "note: nothing was stored of this account before; is the ID right?")
			}
			return report(s.c, "suspended "+shown(account), changed{Account: account, Changed: true})
		}),
	}
}

func resumeCommand() *cli.Command {
	return &cli.Command{
		Name: "resume", Usage: "end a suspension", ArgsUsage: "ACCOUNT",
		Description: "Its tokens work again, except those that were revoked." +
			examples(`gatehouse resume user-42 -operator ada -reason "owner proven, ticket 4711"`),
		Flags: operatorFlags(),
		Action: onAccount(func(ctx context.Context, s *session, o gatehouse.Operator, account string) error {
			if err := s.known(ctx, account); err != nil {
				return err
			}
			if err := o.Resume(ctx, account); err != nil {
				return err
			}
			if _, done := s.happened(event.AccountResumed); !done {
				return report(s.c, shown(account)+" was not suspended", changed{Account: account})
			}
			return report(s.c, "resumed "+shown(account), changed{Account: account, Changed: true})
		}),
	}
}
