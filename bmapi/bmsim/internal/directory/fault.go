package directory

import "fmt"

// Error codes met here, spelled as on the wire.
const (
	Unknown           = "UNKNOWN"
	PermissionDenied  = "PERMISSION_DENIED"
	InvalidParameter  = "INVALID_PARAMETER"
	NotFound          = "NOT_FOUND"
	AlreadyExists     = "ALREADY_EXISTS"
	Forbidden         = "FORBIDDEN"
	Failure           = "FAILURE"
	EmptyLastName     = "EMPTY_LASTNAME"
	InvalidDomainName = "INVALID_DOMAIN_NAME"
	InvalidHostName   = "INVALID_HOST_NAME"
	InvalidPassword   = "INVALID_PASSWORD"
	GroupLoop         = "INCLUSION_GROUP_LOOP"
)

// Fault is a refusal as BlueMind states it.
type Fault struct {
	Code    string // errorCode; empty for a Java exception that is no ServerFault
	Type    string // errorType: the Java class
	Message string
}

func (f *Fault) Error() string {
	if f.Code == "" {
		return f.Type + ": " + f.Message
	}
	return f.Code + ": " + f.Message
}

// Faultf makes a ServerFault.
func Faultf(code, format string, args ...any) *Fault {
	return &Fault{Code: code, Type: "ServerFault", Message: fmt.Sprintf(format, args...)}
}

// Exception makes the fault of a Java exception that carries no error code.
func Exception(class, message string) *Fault {
	return &Fault{Type: class, Message: message}
}

func noDomain(uid string) *Fault {
	return &Fault{Code: NotFound, Type: "DomainNotFoundException", Message: "domain " + uid + " not found"}
}
