# SPDX-License-Identifier: Apache-2.0
"""What the statuses of orders mean, in the words of many shops: which rows were never sold, and which came back.

A status counts by its words alone, so one column may speak several languages. What no list knows stays undecided.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice, product
from typing import Literal

from table_intake.columns.usual_names import forms, plain, scripts
from table_intake.wording import Text

Meaning = Literal["cancelled", "returned", "sold", "open"]
"""Never sold, came back, sold, or what somebody must decide: not paid yet, asked for, or true of a part alone."""
FEW = 100
"""Different values that a column of statuses has, at most."""
ANY = "*"
"""The word of settings that stands for any cell that is not empty."""
_SHOWN = 20
"""Values named in a sentence."""
LONGEST = 60
"""Characters of a status."""
_FEES = """
    fee fees other_fee other_fees service_fee service_fees selling_fee selling_fees listing_fee ad_fee ad_fees
    transaction_fee processing_fee stripe_fee commission shipping_label shipping_labels payout payouts withdrawal tax
    gebühr gebühren auszahlung provision versandetikett
    수수료 정산 출금 광고비 手数料 振込 出金 手续费 佣金 提现
"""
"""Rows of a settlement that are no sales."""

_CANCELLED = """
    cancelled canceled cancel cancellation cancelled_by_customer canceled_by_customer cancelled_by_seller auto_cancelled
    void voided failed failure payment_failed payment_error declined denied rejected expired abandoned aborted draft
    checkout_draft auto_draft trash trashed deleted test test_order fraud fraudulent invalid not_paid error
    quote quotation quotation_sent angebot devis presupuesto preventivo orçamento 견적 見積 报价
    storniert storno stornierung abgebrochen gelöscht fehlgeschlagen abgelehnt ungültig entwurf
    annulé annulée annulation échoué échouée échec brouillon rejeté rejetée refusé refusée supprimé
    cancelado cancelada anulado anulada fallido fallida borrador rechazado rechazada cancelación
    annullato annullata cancellato cancellata fallito fallita bozza rifiutato rifiutata
    falhou falhado malsucedido rascunho recusado recusada cancelamento
    geannuleerd mislukt geweigerd anulowane anulowany anulowano nieudane avbruten annullerad makulerad misslyckad
    annulleret annullert mislykket kladde utkast concept peruttu zrušeno zrušená törölve iptal iptal_edildi başarısız
    отменен отменён отменено отменена отмена đã_hủy đã_huỷ hủy ยกเลิก ยกเลิกแล้ว dibatalkan batal ملغي ملغى
    キャンセル キャンセル済 キャンセル済み キャンセル完了 注文キャンセル 取消 取消済 取消済み 取り消し 取消完了 無効
    決済失敗 失敗 テスト 下書き 削除 削除済み
    已取消 取消订单 订单取消 取消訂單 交易关闭 已关闭 作废 作廢 已作废 支付失败 付款失败 失败 测试 草稿 已删除
    무효 결제실패 실패 테스트 임시 임시저장 삭제 삭제됨
"""  # noqa: RUF001 - Turkish has this letter
_RETURNED = """
    refunded refund fully_refunded full_refund returned return returned_to_sender return_to_sender returned_to_seller
    return_to_seller customer_return sent_back credit_memo credit_note return_completed refund_completed
    return_received
    zurückerstattet rückerstattet erstattet erstattung retourniert retoure retour zurückgegeben zurückgesendet
    zurückgeschickt gutschrift rückgabe rücksendung
    remboursé remboursée remboursement retourné retournée
    reembolsado reembolsada reembolso devuelto devuelta devolución
    rimborsato rimborsata rimborso reso restituito restituita
    devolvido devolvida devolução estornado estornada estorno
    terugbetaald geretourneerd zwrócone zwrócony zwrot återbetald returnerad refunderet returneret
    krediteret kreditert krediterad kreditnota kreditfaktura gecrediteerd
    palautettu vráceno iade iade_edildi возврат возвращен возвращён возвращено
    trả_hàng hoàn_tiền đã_hoàn_tiền คืนเงิน คืนเงินแล้ว คืนสินค้า dikembalikan مسترجع
    返品 返品済 返品済み 返品完了 返金 返金済 返金済み 返金完了
    退货 已退货 退货完成 退货成功 退款 已退款 退款成功 退款完成 退货退款 退貨 已退貨 全额退款
    반송 반송완료 회수완료
"""
_SOLD = """
    paid complete completed processing shipped delivered delivered_to_buyer fulfilled sent dispatched accepted
    approved confirmed active order
    success successful succeeded done sold sale sales_order captured authorized invoiced unfulfilled unshipped partial
    partially_fulfilled partially_shipped partially_paid ready ready_for_pickup ready_to_ship picked_up in_transit
    out_for_delivery new open received packed picked awaiting_shipment awaiting_fulfillment awaiting_pickup
    backordered finished normal regular settled cleared placed payment purchase purchased in_progress preparing
    bezahlt abgeschlossen fertiggestellt in_bearbeitung versendet versandt verschickt geliefert zugestellt erledigt
    payé payée terminé terminée en_cours expédié expédiée livré livrée traité en_cours_de_traitement
    pagado pagada completado completada procesando enviado enviada entregado entregada
    pagato pagata completato completata in_lavorazione spedito spedita consegnato consegnata evaso
    pago concluído concluída processando entregue
    betaald voltooid afgerond in_behandeling verzonden geleverd zrealizowane zakończone opłacone wysłane
    betalt bogført sendt leveret levert afsluttet fuldført bokförd
    betald slutförd skickad levererad tamamlandı ödendi teslim_edildi выполнен выполнено оплачен оплачено доставлен
    отправлен hoàn_thành đã_giao สำเร็จ selesai
    発送済 発送済み 出荷済 出荷済み 配送済 配送済み 配送中 配達完了 完了 処理済 処理済み 処理中 入金済 入金済み
    支払済 支払済み 受注 新規受付 新規注文 発送待ち 発送前 確定
    已付款 待发货 已发货 交易成功 已完成 已签收 完成 待收货 已支付 已收货 已出貨
    결제완료 입금완료 입금확인 상품준비중 배송준비중 배송준비 배송지시 배송대기 발송대기 발송완료 출고완료 배송중
    배송완료 구매확정 구매결정 거래완료 주문완료 주문확인 주문접수 정상 완료 판매 판매완료 수령완료 픽업완료 발주확인
    신규주문 취소철회 반품철회 교환철회 취소거부 반품거부 교환거부
"""  # noqa: RUF001 - Turkish has this letter
_OPEN = """
    pending pending_payment payment_pending on_hold awaiting_payment unpaid partially_refunded partial_refund
    partially_returned partial_return partially_cancelled partially_canceled refund_pending refund_requested
    return_requested return_in_progress cancel_requested cancellation_requested pending_cancel pending_cancellation
    exchange exchanged replaced disputed chargeback charged_back reversed closed payment_review suspected_fraud review
    restocked incomplete undelivered unknown adjustment adjustments claim dispute hold payment_dispute
    teilweise_erstattet teilerstattet teilretoure teilstorniert ausstehend wartend in_wartestellung offen
    zahlung_ausstehend umtausch
    partiellement_remboursé en_attente en_attente_de_paiement échange
    parcialmente_reembolsado pendiente pendiente_de_pago en_espera cambio
    parzialmente_rimborsato in_attesa in_attesa_di_pagamento in_sospeso
    pendente aguardando aguardando_pagamento gedeeltelijk_terugbetaald in_afwachting oczekujące wstrzymane väntande
    一部返品 一部返金 一部キャンセル キャンセル申請 キャンセル依頼 返品申請 返品受付 返品中 返金待ち 返金処理中 交換
    交換済み 入金待ち 支払待ち 未入金 保留
    部分退款 部分退货 退款中 退货中 申请退款 申请退货 换货 待付款 未付款 待支付
    교환 교환요청 교환신청 교환접수 교환처리중 교환완료 입금전 입금대기 결제대기 결제전 미결제 미입금 보류 주문대기
    수거중 수거완료 반품수거중
"""
_KOREAN: Mapping[str, Meaning] = {"취소": "cancelled", "반품": "returned", "환불": "returned"}
_OF_ALL = ("", "주문", "전체", "결제", "구매", "판매", "자동", "미결제", "미입금", "품절", "직권", "거래")
_FINISHED = ("", "완료", "됨", "처리", "처리완료", "주문", "승인")
_UNFINISHED = ("요청", "신청", "접수", "중", "처리중", "진행중", "대기", "요청중")
_PARTS = ("부분", "일부")
_NOISE = frozenset(
    {"wc", "order", "orders", "status", "is", "was", "by", "customer", "sale", "주문", "주문상태"}
    | {"bestellung", "auftrag", "commande", "vente", "pedido", "venta", "compra", "ordine", "zamówienie", "заказ"}
)
"""Words beside a status that add nothing to it."""
_YES = """
    true t yes y 1 x o ja j oui si sí sim 예 네 はい 有 是 да on wahr vrai verdadero verdadeiro vero prawda tak waar
    sant doğru evet
"""
_NO = """
    false f no n 0 nein non nao não 아니오 아니요 いいえ 無 否 нет off none null falsch faux falso fałsz nie onwaar
    falskt yanlış hayır
"""  # noqa: RUF001 - Turkish has this letter
_BETWEEN = re.compile(r"[()\[\]\uff08\uff09【】/|,;:·・、]+|\s[-\u2013\u2014]\s")
"""What separates two words for the same status, as in two languages."""
_DASH = re.compile(r"\s[-\u2013\u2014]\s")


def _meanings() -> dict[str, Meaning]:
    words: dict[str, Meaning] = {}
    lost = f"{_CANCELLED} {_FEES}"
    lists: Mapping[Meaning, str] = {"cancelled": lost, "returned": _RETURNED, "sold": _SOLD, "open": _OPEN}
    for meaning, text in lists.items():
        words |= {plain(word): meaning for word in text.split()}
    for stem, meaning in _KOREAN.items():
        words |= {f"{all_of}{stem}{end}": meaning for all_of, end in product(_OF_ALL, _FINISHED)}
        words |= {f"{all_of}{stem}{end}": "open" for all_of, end in product(_OF_ALL, _UNFINISHED)}
        words |= {f"{part}{stem}{end}": "open" for part, end in product(_PARTS, (*_FINISHED, *_UNFINISHED))}
    return words


_EXPERIMENTS = frozenset({"test", "tests"})
"""Words of a column without a usual name that may name a group of an experiment."""
_TOO_COMMON = _EXPERIMENTS | {plain(word) for word in _FEES.split()}
"""Words that alone do not make a column one of statuses."""
_TRUE, _FALSE = (frozenset(map(plain, words.split())) for words in (_YES, _NO))
WORDS = _meanings()
"""The meaning of each word, in the form of `plain`."""


def meaning(status: str) -> Meaning | None:
    """Return what a status means; None where its words are unknown.

    Of words in brackets, in two scripts, or between slashes and commas, each must be known: in two languages they
    agree, and of what never was sold and what came back, the first counts. Words that contradict each other leave it
    open; but behind a dash stands what became of something that was sold.
    """
    if meaning_of_word := WORDS.get(plain(status)):
        return meaning_of_word
    words = [word for word in re.findall(r"[^\W_]+", status.casefold()) if word not in _NOISE]
    if meaning_of_word := WORDS.get(plain("".join(words))):
        return meaning_of_word
    sold, *later = _DASH.split(status, maxsplit=1)
    if later and meaning(sold) == "sold" and (became := meaning(later[0])):
        return became
    parts = [part for text in _BETWEEN.split(status) for part in scripts(text) or [text] if plain(part)]
    meanings = {meaning(part) for part in parts} if len(parts) > 1 else {None}
    if None in meanings:
        return None
    if len(meanings) == 1:
        return meanings.pop()
    return "cancelled" if meanings == {"cancelled", "returned"} else "open"


@dataclass(frozen=True, slots=True)
class Column:
    """A column that tells of orders what became of them."""

    form: Literal["words", "flag", "proof", "moment"] = "words"
    """Words of a status; yes or no; no or yes; or the time at which it happened, empty where it did not."""
    of: Meaning = "sold"
    """What a flag says where it is set, a proof where it is not, and a moment where there is one."""

    def meaning(self, cell: str) -> Meaning | None:
        """Return what a cell says of its row; None where it is a word that nobody knows."""
        word = plain(cell)
        if self.form == "moment":
            return self.of if cell == ANY or re.search("[1-9]", cell) else "sold"
        if not word:
            return "sold"
        if self.form in {"flag", "proof"}:
            if word in _TRUE:
                return self.of if self.form == "flag" else "sold"
            if word in _FALSE:
                return self.of if self.form == "proof" else "sold"
        return meaning(cell)

    def word(self, cell: str) -> str:
        """Return the word by which settings name a cell; one word stands for all times."""
        return ANY if self.form == "moment" and cell.strip() else cell.strip()


_STATUS = """
    status state orderstatus orderstate orderstatusname financialstatus fulfillmentstatus lineitemfulfillmentstatus
    paymentstatus shippingstatus shipmentstatus deliverystatus transactionstatus itemstatus lineitemstatus
    chargestatus orderitemstatus invoicestatus claimstatus claimtype refundstatus returnstatus salesstatus postatus
    orderstatusid statusid stateid currentstate orderstateid idorderstate
    transactiontype trantype txntype saletype salestype ordertype poststatus
    bestellstatus auftragsstatus zahlungsstatus versandstatus lieferstatus statut statutcommande statutdelacommande
    etat etatcommande estado estadopedido estadodelpedido stato statoordine statopedido situacao statusdopedido
    bestelstatus statuszamowienia orderstatus статус статусзаказа trạngthái
    주문상태 주문상태명 주문상태코드 주문처리상태 상태 처리상태 클레임상태 클레임구분 취소반품상태 결제상태 배송상태
    주문상세상태 진행상태 거래상태 거래구분 판매구분 매출구분
    ステータス 注文ステータス 受注ステータス 状態 注文状態 受注状態 決済ステータス 出荷ステータス 対応状況
    状态 订单状态 交易状态 支付状态 退款状态 訂單狀態 狀態
"""
_FLAGS: Mapping[Meaning, str] = {
    "cancelled": """
        void voided isvoid isvoided cancelled canceled iscancelled iscanceled deleted isdeleted test istest testorder
        istestorder fksto storniert storno annule annulee cancelado anulado annullato 취소 취소여부 주문취소여부
        삭제여부 キャンセル キャンセルフラグ 取消フラグ 是否取消
    """,
    "returned": """
        returned isreturned refunded isrefunded isreturn isrefund shkzg retoure erstattet rembourse retourne devuelto
        reembolsado 반품 반품여부 환불여부 返品 返品フラグ 返金フラグ 是否退款 是否退货
    """,
}
_PROOFS: Mapping[Meaning, str] = {
    "cancelled": "completed iscompleted complete iscomplete valid isvalid finalized isfinalized finished isfinished",
    "open": "paid ispaid haspaid bezahlt paye pagado pagato pago 결제여부",
}
"""Columns that say of a sale that it came about."""
_MOMENTS: Mapping[Meaning, str] = {
    "cancelled": """
        cancelledat canceledat cancelledon canceledon cancelleddate canceleddate canceldate cancellationdate
        cancelledtime deletedat voidedat voiddate stornodatum storniertam dateannulation fechacancelacion
        취소일 취소일시 취소일자 취소완료일 취소완료일시 주문취소일 キャンセル日 キャンセル日時 取消日 取消时间
    """,
    "returned": """
        returnedat returnedon returneddate returndate retourdatum dateretour fechadevolucion 반품일 반품일시 반품완료일
        반품완료일시 返品日 返品日時 退货时间
    """,
}


def _columns() -> dict[str, Column]:
    columns = dict.fromkeys(_STATUS.split(), Column())
    for of, text in _FLAGS.items():
        columns |= dict.fromkeys(text.split(), Column("flag", of))
    for of, text in _PROOFS.items():
        columns |= dict.fromkeys(text.split(), Column("proof", of))
    for of, text in _MOMENTS.items():
        columns |= dict.fromkeys(text.split(), Column("moment", of))
    return columns | {plain(name): column for name, column in columns.items()}


COLUMNS = _columns()
"""The columns that tell it, by their names in small letters without anything between their words."""


def column(name: str) -> Column | None:
    """Return what a column tells of orders, by its name; None of others."""
    return next((column for form in forms(name) if (column := COLUMNS.get(form))), None)


def looks_like_statuses(values: Mapping[str, int]) -> bool:
    """Tell whether a column whose name says nothing has statuses: it has few values, most of them known, and one says
    that something was never sold or came back."""
    words = [value for value in values if plain(value)]
    if _is_only_of_lost(values, words):
        return True
    if not 2 <= len(words) <= FEW or max(map(len, words)) > LONGEST:
        return False
    meanings = [meaning(word) for word in words]
    decided = any(meaning in ("cancelled", "returned") for meaning in meanings)
    return decided and "sold" in meanings and sum(meaning is not None for meaning in meanings) >= 0.6 * len(words)


def _is_only_of_lost(values: Mapping[str, int], words: list[str]) -> bool:
    """Tell whether a column is empty in most rows, and says of all others that they were never sold or came back."""
    lost = sum(values[word] for word in words)
    said = {meaning(word) for word in words if plain(word) not in _TOO_COMMON}
    return bool(said) and said <= {"cancelled", "returned"} and 2 * lost < sum(values.values())


@dataclass(frozen=True, slots=True)
class Statuses:
    """The values of a column by what they mean, each with its rows."""

    cancelled: Mapping[str, int]
    returned: Mapping[str, int]
    undecided: Mapping[str, int]

    @property
    def empty(self) -> bool:
        return not (self.cancelled or self.returned or self.undecided)


def sorted_out(column: Column, values: Mapping[str, int]) -> Statuses:
    """Sort the values of a column by what they mean; unknown words are undecided, unless most of them are unknown."""
    words_by_meaning: dict[Meaning | None, dict[str, int]] = {
        "cancelled": {},
        "returned": {},
        "open": {},
        None: {},
        "sold": {},
    }
    for value, rows in sorted(values.items(), key=lambda counted: (-counted[1], counted[0])):
        words, word = words_by_meaning[column.meaning(value)], column.word(value)
        words[word] = words.get(word, 0) + rows
    # A column of states or towns shares a word or two with these lists.
    told = (
        2 * len(words_by_meaning[None]) <= sum(map(len, words_by_meaning.values()))
        and len(words_by_meaning[None]) <= FEW
    )
    return Statuses(
        words_by_meaning["cancelled"],
        words_by_meaning["returned"],
        words_by_meaning["open"] | words_by_meaning[None] if told else {},
    )


def listed(words: Mapping[str, int]) -> Text:
    """Return the most frequent values with their rows, for a sentence."""
    some = [
        Text("value-rows", "{value} ({rows:,} {rows:row|rows})", value=word or Text("empty", "empty"), rows=rows)
        for word, rows in islice(words.items(), _SHOWN)
    ]
    text, more = Text.joined(", ", some), len(words) - _SHOWN
    return Text("and-more", "{listed} and {more:,} more", listed=text, more=more) if more > 0 else text
