package mail

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// DefaultFolders are the folders a box is made with, parents first.
func DefaultFolders(b Box) []string {
	if b.Shared() {
		return []string{b.Name, b.Name + "/Sent", b.Name + "/Trash"}
	}
	return []string{"INBOX", "Sent", "Trash", "Drafts", "Junk", "Outbox", "Templates"}
}

func since47(b Box, fullName string) bool {
	return fullName == "Templates" || b.Shared() && fullName == b.Name+"/Trash"
}

// FolderUID is the uid a folder gets when it is created under that name.
func FolderUID(b Box, fullName string) string {
	sum := sha256.Sum256([]byte(b.key() + "#" + fullName))
	return hex.EncodeToString(sum[:16])
}

// sanitize rewrites a folder's name as BlueMind does when it stores one: "^"
// becomes ".", and a name all in ASCII goes through the decoder of modified
// UTF-7, although it was decoded when the command was read.
func sanitize(fullName string) string {
	fullName = strings.ReplaceAll(fullName, "^", ".")
	for _, r := range fullName {
		if r > 0x7F {
			return fullName
		}
	}
	if decoded, ok := DecodeUTF7(fullName); ok {
		return decoded
	}
	return fullName
}

// validName holds what MailboxNameValidator refuses: controls (C0, DEL, C1)
// and double quotes.
func validName(fullName string) bool {
	for _, r := range fullName {
		if r < 0x20 || (r >= 0x7F && r <= 0x9F) || r == '"' {
			return false
		}
	}
	return true
}
