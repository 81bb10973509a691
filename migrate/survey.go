package migrate

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"bmsync/imap"
)

// sourceFolders lists an account's folders and decides for each, by the
// policy, where it goes.
func sourceFolders(ctx context.Context, src *imap.Source, p Policy) ([]Mapped, error) {
	ns, err := src.Namespace(ctx)
	unknown := refused(err) // RFC 2342 is an extension
	if err != nil && !unknown {
		return nil, fmt.Errorf("namespaces: %w", err)
	}
	list, err := src.List(ctx)
	if err != nil {
		return nil, fmt.Errorf("list folders: %w", err)
	}
	folders := make([]SourceFolder, 0, len(list))
	for _, m := range list {
		folders = append(folders, SourceFolder{Name: m.Name, Delim: m.Delim, Attrs: m.Attrs})
	}
	spaces := namespacesOf(ns)
	if unknown {
		spaces.Personal = inboxPrefix(folders)
	}
	return MapFolders(folders, spaces, p)
}

// inboxPrefix is the personal namespace of a server that doesn't tell: INBOX
// where all other folders lie below it, as on Courier and Cyrus.
func inboxPrefix(folders []SourceFolder) string {
	prefix := ""
	for _, f := range folders {
		if strings.EqualFold(f.Name, "INBOX") {
			continue
		}
		if f.Delim == 0 || len(f.Name) <= 6 || !strings.EqualFold(f.Name[:5], "INBOX") || f.Name[5:6] != string(f.Delim) {
			return ""
		}
		prefix = f.Name[:6]
	}
	return prefix
}

func namespacesOf(ns imap.Namespaces) SourceNamespaces {
	var out SourceNamespaces
	// Of several personal namespaces the first is the one that holds the mail;
	// an INBOX-only prefix is stripped, others are folders.
	if len(ns.Personal) > 0 && strings.EqualFold(strings.TrimRight(ns.Personal[0].Prefix, "./"), "INBOX") {
		out.Personal = ns.Personal[0].Prefix
	}
	for _, e := range append(ns.Other, ns.Shared...) {
		if e.Prefix != "" {
			out.Foreign = append(out.Foreign, e.Prefix)
		}
	}
	return out
}

// surveyAccount looks at one account, read-only: its folders, and each
// folder's messages by their sizes and flags.
func surveyAccount(ctx context.Context, s Source, a *PlanAccount, p Policy, now time.Time, log *slog.Logger) error {
	a.Survey.At = now.UTC().Truncate(time.Second)
	src, err := dialSource(ctx, s, a.SourceLogin, log)
	if err != nil {
		return err
	}
	defer src.Close()
	mapped, err := sourceFolders(ctx, src, p)
	if err != nil {
		return err
	}
	for _, m := range mapped {
		f := PlanFolder{Source: m.Source, Target: m.Target, Role: m.Role, Rule: m.Rule, Reason: m.Reason}
		if m.Rule != RuleNoSelect && m.Rule != RuleNamespace {
			// One that is left out need not open: views often don't.
			if f.Survey, err = surveyFolder(ctx, src, m.Source); err != nil && (m.Rule == "" || !refused(err)) {
				return fmt.Errorf("folder %q: %w", m.Source, err)
			}
		}
		a.Folders = append(a.Folders, f)
		if m.Rule == "" {
			a.Survey.Messages += f.Survey.Messages
			a.Survey.Bytes += f.Survey.Bytes
			a.Survey.Largest = max(a.Survey.Largest, f.Survey.Largest)
		}
	}
	return nil
}

func surveyFolder(ctx context.Context, src *imap.Source, name string) (FolderSurvey, error) {
	st, err := src.Examine(ctx, name)
	if err != nil {
		return FolderSurvey{}, err
	}
	f := FolderSurvey{UIDValidity: st.UIDValidity, UIDNext: st.UIDNext}
	if st.Messages == 0 {
		return f, nil
	}
	err = src.Messages(ctx, 1, 0, func(m imap.Message) error {
		size := max(m.Size, 0)
		f.Messages++
		f.Bytes += size
		f.Largest = max(f.Largest, size)
		for _, flag := range m.Flags {
			if strings.EqualFold(flag, `\Deleted`) {
				f.Deleted++
			}
		}
		return nil
	})
	return f, err
}
