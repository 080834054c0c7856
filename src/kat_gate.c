#include "kat_gate.h"

static kat_turn_list *list_of(kat_turn *turn)
{
    kat_gate *gate = turn->gate;

    switch (turn->state) {
    case KAT_TURN_WAITING:
        return &gate->waiting;
    case KAT_TURN_HELD:
        return &gate->holding;
    default:
        return &gate->resting;
    }
}

/* The one place where a turn changes its state, and with it its list. */
static void move(kat_turn *turn, kat_turn_state state)
{
    kat_turn_list *list;

    if (turn->state != KAT_TURN_OUTSIDE) {
        list = list_of(turn);
        if (turn->prev)
            turn->prev->next = turn->next;
        else
            list->first = turn->next;
        if (turn->next)
            turn->next->prev = turn->prev;
        else
            list->last = turn->prev;
        turn->prev = turn->next = NULL;
    }
    if (turn->state == KAT_TURN_HELD)
        turn->gate->held--;
    turn->state = state;
    if (state == KAT_TURN_HELD)
        turn->gate->held++;
    if (state != KAT_TURN_OUTSIDE) {
        list = list_of(turn);
        turn->prev = list->last;
        if (list->last)
            list->last->next = turn;
        else
            list->first = turn;
        list->last = turn;
    }
}

static void hold(kat_turn *turn, double now)
{
    move(turn, KAT_TURN_HELD);
    turn->until = now + turn->lease;
}

static void call_next(kat_gate *gate, double now)
{
    while (gate->held < gate->max && gate->waiting.first) {
        kat_turn *turn = gate->waiting.first;

        hold(turn, now);
        kat_turn_poke(turn);
    }
}

static void take_back_overdue(kat_gate *gate, double now)
{
    kat_turn *turn = gate->holding.first, *next;

    for (; turn; turn = next) {
        next = turn->next;
        if (turn->until < now)
            move(turn, KAT_TURN_RESTING);
    }
}

void kat_gate_init(kat_gate *gate, size_t max)
{
    *gate = (kat_gate){0};
    gate->max = max;
}

static void put_outside(kat_turn *turn)
{
    kat_turn_look(turn);
    move(turn, KAT_TURN_OUTSIDE);
    turn->gate = NULL;
}

void kat_gate_close(kat_gate *gate)
{
    while (gate->resting.first)
        put_outside(gate->resting.first);
    while (gate->waiting.first)
        put_outside(gate->waiting.first);
    while (gate->holding.first)
        put_outside(gate->holding.first);
}

void kat_turn_enter(kat_gate *gate, kat_turn *turn)
{
    turn->gate = gate;
    turn->id = ++gate->last_id;
    move(turn, KAT_TURN_RESTING);
}

bool kat_turn_ask(kat_turn *turn, double lease, double now)
{
    kat_gate *gate = turn->gate;

    if (!gate)
        return false;
    turn->lease = lease;
    if (turn->state == KAT_TURN_RESTING) {
        if (gate->held < gate->max && !gate->waiting.first)
            hold(turn, now);
        else
            move(turn, KAT_TURN_WAITING);
    }
    if (turn->state == KAT_TURN_WAITING) {
        take_back_overdue(gate, now);
        call_next(gate, now);
    }
    if (turn->poked && turn->state == KAT_TURN_HELD)
        turn->until = now + lease; /* it counts from when its caller knows */
    kat_turn_look(turn);
    return turn->state == KAT_TURN_HELD;
}

void kat_turn_rest(kat_turn *turn, double now)
{
    if (!turn->gate || turn->state == KAT_TURN_RESTING)
        return;
    move(turn, KAT_TURN_RESTING);
    call_next(turn->gate, now);
}

void kat_turn_tell(kat_turn *turn)
{
    kat_turn_list *news;

    if (!turn->gate || turn->news)
        return;
    news = &turn->gate->news;
    turn->news = true;
    turn->news_prev = news->last;
    if (news->last)
        news->last->news_next = turn;
    else
        news->first = turn;
    news->last = turn;
}

static void drop_news(kat_turn *turn)
{
    kat_turn_list *news;

    if (!turn->news)
        return;
    news = &turn->gate->news;
    turn->news = false;
    if (turn->news_prev)
        turn->news_prev->news_next = turn->news_next;
    else
        news->first = turn->news_next;
    if (turn->news_next)
        turn->news_next->news_prev = turn->news_prev;
    else
        news->last = turn->news_prev;
    turn->news_prev = turn->news_next = NULL;
}

uint64_t kat_gate_news(kat_gate *gate)
{
    kat_turn *turn = gate->news.first;

    if (!turn)
        return 0;
    drop_news(turn);
    return turn->id;
}

void kat_turn_poke(kat_turn *turn)
{
    if (!turn->gate)
        return;
    kat_turn_tell(turn);
    if (!turn->poked) {
        turn->poked = true;
        turn->gate->poked++;
    }
    if (turn->gate->on_poke)
        turn->gate->on_poke(turn->gate);
}

void kat_turn_look(kat_turn *turn)
{
    drop_news(turn);
    if (turn->poked) {
        turn->poked = false;
        turn->gate->poked--;
    }
}

void kat_turn_leave(kat_turn *turn, double now)
{
    kat_gate *gate = turn->gate;

    if (!gate)
        return;
    put_outside(turn);
    call_next(gate, now);
}
