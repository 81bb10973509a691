// Package proxy is BlueMind's mail proxy: what stands on ports 143 and 993 in
// front of the mail servers of both versions (there, nginx with bm-core as its
// authority).
//
// It greets, answers the few commands that exist before login, has the address
// and its secret judged by [Config.Decide], logs in at the backend with the
// login that the address stands for, and from then on passes octets both ways.
//
// What a client meets here, as in BlueMind:
//
//   - The capabilities before login are the proxy's own, not the backend's.
//   - Only CAPABILITY, NOOP, LOGOUT, STARTTLS, LOGIN and AUTHENTICATE PLAIN exist;
//     ID does not. The continuation of a literal is "+ OK".
//   - LOGIN is taken in the clear too, where STARTTLS is offered.
//   - A refusal comes after two seconds; the tenth one at once, and ends the
//     connection.
//   - A backend that cannot be reached, or does not let the user in, is "* BAD
//     internal server error" and the end of the connection.
//
// No secret is logged, journalled, or part of an error.
package proxy
