/* A fair gate: at most `max` turns are out at once, the rest wait in order.
 *
 * A turn lies in its caller's memory, one for each call, and must stay there
 * until it has left. Holding it is a lease: one whose time is up (its caller
 * was killed, and not yet collected) goes to the next in line. */
#ifndef KAT_GATE_H
#define KAT_GATE_H

#include "kat_base.h"

KAT_BEGIN_DECLS

typedef enum { KAT_TURN_OUTSIDE, KAT_TURN_RESTING, KAT_TURN_WAITING, KAT_TURN_HELD } kat_turn_state;

typedef struct kat_gate kat_gate;
struct kat_op;

typedef struct kat_turn {
    kat_gate *gate; /* NULL while outside */
    struct kat_turn *prev, *next;
    struct kat_turn *news_prev, *news_next; /* among those with news */
    kat_turn_state state;
    uint64_t id;       /* of its own within the gate */
    double until;      /* when the lease ends; meaningful while held */
    double lease;      /* its length in seconds */
    bool poked;        /* something happened that its caller has not looked at */
    bool news;         /* kat_gate_news has yet to name it */
    struct kat_op *op; /* the attempt that is made in this turn; see kat_op_tie */
} kat_turn;

typedef struct kat_turn_list {
    kat_turn *first, *last;
} kat_turn_list;

struct kat_gate {
    size_t max, held;
    kat_turn_list resting, waiting, holding;
    kat_turn_list news; /* linked by news_prev and news_next */
    size_t poked;       /* turns whose caller ought to look */
    uint64_t last_id;
    void (*on_poke)(kat_gate *gate); /* told of every poke; NULL: nobody */
};

void kat_gate_init(kat_gate *gate, size_t max);

/* Puts every turn outside, so that what comes later for them does nothing. */
void kat_gate_close(kat_gate *gate);

/* Lets a zero-filled turn in; it rests, and neither waits nor holds. */
void kat_turn_enter(kat_gate *gate, kat_turn *turn);

/* Asks for `lease` seconds. Asking again while waiting keeps the place in
 * line. True when the turn is held now. Counts as a look. */
bool kat_turn_ask(kat_turn *turn, double lease, double now);

/* Gives the turn, or the place in line, back, and rests. */
void kat_turn_rest(kat_turn *turn, double now);

/* Says that its caller ought to look, and that it has. */
void kat_turn_poke(kat_turn *turn);
void kat_turn_look(kat_turn *turn);

/* For who wakes the callers of many turns: the id of one that was poked, or
 * whose attempt has ended, since it was named last; 0 when there is none. */
uint64_t kat_gate_news(kat_gate *gate);
/* Has it named, without a poke. */
void kat_turn_tell(kat_turn *turn);

/* The same as resting, and out. Each of them does nothing for a turn outside. */
void kat_turn_leave(kat_turn *turn, double now);

KAT_END_DECLS

#endif
