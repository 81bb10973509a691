package migrate

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"bmsync/imap"
)

// surveyAccount looks at one account, read-only: its folders, and each
// folder's messages by their sizes and flags.
func surveyAccount(ctx context.Context, s Source, a *PlanAccount, p Policy, now time.Time, log *slog.Logger) error {
	a.Survey.At = now.UTC().Truncate(time.Second)
	src, err := dialSource(ctx, s, a.SourceLogin, log)
	if err != nil {
		return err
	}
	defer src.Close()
	mapped, err := sourceFolders(ctx, src, a, p)
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
