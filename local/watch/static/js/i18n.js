// SPDX-License-Identifier: Apache-2.0
/** English and Korean. Names of shops, files, recipes and items are the data's. */

import { store, stored } from "./dom.js";

const TEXTS = {
  en: {
    title: "Watch", cloud: "local cloud", skip: "Skip to content", shops: "Shops", language: "Language", theme: "Light or dark",
    live: "Live", loading: "Looking…", offline: "The local cloud is down", offlineText: "What you see is from {time}. Start the cloud, and this page goes on by itself:",
    noKey: "This page needs its key", noKeyText: "Only who may open the cloud's folder can watch it. Open the page by this command, or by the address that status prints:",
    refusedTitle: "This cannot be shown", back: "All shops",
    noShops: "No shop yet", noShopsText: "Drop the files of a shop, and watch its first run here:",
    serving: "Serving since", notServing: "Nothing serves yet", underWay: "Under way", idle: "Nothing runs", lastRun: "Last run", waits: "Waits", errors: "Needs attention",
    noErrors: "Nothing needs attention.", wayOut: "Way out", eventsWait: "Events that wait", queued: "{count} queued: they are delivered by themselves", queued_1: "1 queued: it is delivered by itself",
    dead: "{count} events were not delivered in two days", dead_1: "1 event was not delivered in two days", deadText: "Fix the cause, then deliver them again:", unsaved: "The local AWS cannot save its state", places: "Addresses", "place.api": "HTTP API", "place.engine": "Engine", "place.docs": "Documentation",
    runs: "Runs", noRuns: "No run is remembered.", steps: "Steps", noSteps: "The steps come as they happen.",
    rows: "{count} rows", rows_1: "1 row", moreFiles: "and {count} more", release: "What serves", history: "Releases", campaign: "Campaign", recipe: "Recipe", trainedBy: "Trained by",
    byHand: "by hand", withdrawn: "rolled back {time}", restored: "restored {time}", current: "serves", waiting: "What waits", nothingWaits: "No drop waits for a run.", reports: "Reports", noReports: "A run writes its reports as it goes.",
    likelihood: "Purchase likelihood", fitted: "Fitted {time}", notFitted: "Not fitted", filters: "Filters", placements: "Placements", refusedRows: "{name}: refused rows",
    "kind.interactions": "Interactions", "kind.users": "Users", "kind.items": "Items", "kind.settings": "Settings", "kind.export": "Export", "kind.retrain": "Retraining", "kind.continue": "Continued", "kind.rollback": "Rollback", "kind.promote": "Promotion", "kind.sweep": "Sweep", "kind.batch": "Batch job", "kind.likelihood": "Likelihood fit", "kind.": "Run",
    "status.RUNNING": "running", "status.SUCCEEDED": "done", "status.FAILED": "failed", "status.TIMED_OUT": "timed out", "status.ABORTED": "stopped",
    "outcome.promoted": "promoted", "outcome.refused": "refused by the gate", "outcome.partly promoted": "partly promoted", "outcome.queued": "left to the run at work or the next one", "outcome.alreadyHandled": "handled before", "outcome.imported": "imported, not trained", "outcome.nothing": "nothing to do", "outcome.rolled back": "rolled back", "outcome.fitted": "fitted", "outcome.off": "switched off", "outcome.leftOut": "left out", "outcome.tooLittle": "too little data", "outcome.held": "held until interactions come", "outcome.later": "left to the next run", "outcome.settings": "settings taken", "outcome.joined": "joined for the next run",
    "state.pending": "waits for a run", "state.taken": "its run ended, another takes it", "state.held": "waits for interactions", "problem.failed": "{kind} failed", "problem.refused": "The gate refused a release",
    earnings: "What it earns", experiment: "Experiment", "paper.today": "Shelves today", "paper.day": "Yesterday", "paper.week": "A week", "paper.month": "Four weeks",
    "paper.release": "Release", "paper.export": "Export", "paper.likelihood": "Purchase likelihood", "paper.batch": "Batch job",
    search: "Find a customer or an item", searchHint: "Customer or item: name or id", items: "Items", customers: "Customers", noItems: "No item has such a name or id.", notAmong: "no customer with interactions has this id", trail: "Shop",
    list: "Recommended now", past: "History", known: "What is known", similar: "Similar items", who: "Who had it last", noPast: "Nothing yet.", noList: "The shop has no such list: its settings leave it out, or the gate approved of none.", noColumns: "No columns.", unknownCustomer: "Nothing is known of this customer yet: the list is what a new one gets.", interactions: "{count} interactions, the latest first", interactions_1: "1 interaction",
    due: "{share} of the score is due to", rank: "Number {rank} by popularity when it was trained", chance: "Likelihood of {type} within {count} days; the shop's base rate is {rate}.", chance_1: "Likelihood of {type} within 1 day; the shop's base rate is {rate}.", noChance: "There are no likelihoods:",
    "verdict.true": "Tested: the numbers mean what they say.", "verdict.false": "Tested: use the order, not the numbers.", "verdict.null": "Not enough purchases to test the numbers: use the order.",
    "because.popular": "popular", "because.new": "new", "because.promoted": "on offer", "because.similarTo": "similar to another item", "because.becauseYouBought": "because of a purchase", "because.becauseYouViewed": "because of a view", "because.goesWithBasket": "goes with the basket",
    "event.Purchase": "purchase", "event.Return": "return", "event.View": "view", "event.AddToCart": "into the cart",
    "source.campaign": "from the model", "source.popular": "popular", "source.cache": "an earlier list", "source.bestsellers": "best seller", "source.engine": "from the engine beside the model",
    "do.retrain": "Retrain", "do.continue": "Continue", "do.rollback": "Roll back", "do.erase": "Erase", cancel: "Cancel", close: "Close", sending: "Sending…", started: "Started: run {run}", erased: "Accepted. Receipt: {receipt}", type: "Type {user} to confirm", typeAgain: "That is not {user}.",
    "ask.retrain": "Train {shop} again?", "about.retrain": "All recipes are trained on the data that is there; what passes the gate then serves. While a run is at work, the next one does it. On AWS a training costs money.",
    "ask.continue": "Continue the work on {shop}?", "about.continue": "The drops of the newest failed run are handled again, and those that wait. What was imported or trained already is not done twice.",
    "ask.rollback": "Return {shop} to the release before?", "about.rollback": "The campaigns serve the earlier versions again. What serves now stays trained, and is marked as rolled back.",
    "ask.erase": "Erase {user} from {shop}?", "about.erase": "Their events are discarded from now on; histories and models follow within a day or more. This cannot be undone.",
    "no.retrain": "Drop files first.", "no.continue": "No drop failed, and none waits.", "no.rollback": "There is no earlier release.",
  },
  ko: {
    title: "모니터", cloud: "로컬 클라우드", skip: "본문으로 건너뛰기", shops: "상점", language: "언어", theme: "밝게 또는 어둡게",
    live: "실시간", loading: "불러오는 중…", offline: "로컬 클라우드가 꺼져 있습니다", offlineText: "지금 보이는 내용은 {time} 기준입니다. 클라우드를 켜면 이 페이지가 저절로 이어집니다.",
    noKey: "이 페이지를 열려면 키가 필요합니다", noKeyText: "클라우드 폴더를 열 수 있는 사람만 볼 수 있습니다. 아래 명령이나 status가 알려 주는 주소로 여세요.",
    refusedTitle: "보여 드릴 수 없습니다", back: "전체 상점",
    noShops: "아직 상점이 없습니다", noShopsText: "상점의 파일을 올리면 첫 실행을 여기서 볼 수 있습니다.",
    serving: "제공 시작", notServing: "아직 제공하는 것이 없습니다", underWay: "진행 중", idle: "진행 중인 실행 없음", lastRun: "최근 실행", waits: "대기", errors: "확인 필요",
    noErrors: "확인할 문제가 없습니다.", wayOut: "해결 방법", eventsWait: "대기 중인 이벤트", queued: "대기 중 {count}건: 저절로 전달됩니다", queued_1: "대기 중 1건: 저절로 전달됩니다",
    dead: "이벤트 {count}건이 이틀 동안 전달되지 못했습니다", dead_1: "이벤트 1건이 이틀 동안 전달되지 못했습니다", deadText: "원인을 고친 뒤 다시 전달하세요.", unsaved: "로컬 AWS가 상태를 저장하지 못합니다", places: "주소", "place.api": "HTTP API", "place.engine": "엔진", "place.docs": "문서",
    runs: "실행", noRuns: "남아 있는 실행 기록이 없습니다.", steps: "단계", noSteps: "단계는 진행되는 대로 나타납니다.",
    rows: "{count}행", rows_1: "1행", moreFiles: "외 {count}개", release: "제공 중인 릴리스", history: "릴리스 기록", campaign: "캠페인", recipe: "레시피", trainedBy: "학습한 실행",
    byHand: "직접 승격", withdrawn: "{time} 되돌림", restored: "{time} 복원", current: "제공 중", waiting: "대기 중", nothingWaits: "실행을 기다리는 파일이 없습니다.", reports: "보고서", noReports: "보고서는 실행이 진행되면서 작성됩니다.",
    likelihood: "구매 가능성", fitted: "{time} 학습", notFitted: "학습되지 않음", filters: "필터", placements: "추천 영역", refusedRows: "{name}: 거부된 행",
    "kind.interactions": "상호 작용", "kind.users": "고객", "kind.items": "상품", "kind.settings": "설정", "kind.export": "내보내기", "kind.retrain": "재학습", "kind.continue": "이어서 실행", "kind.rollback": "되돌리기", "kind.promote": "승격", "kind.sweep": "점검", "kind.batch": "배치 작업", "kind.likelihood": "구매 가능성 학습", "kind.": "실행",
    "status.RUNNING": "진행 중", "status.SUCCEEDED": "완료", "status.FAILED": "실패", "status.TIMED_OUT": "시간 초과", "status.ABORTED": "중단됨",
    "outcome.promoted": "승격됨", "outcome.refused": "기준에 못 미쳐 거부됨", "outcome.partly promoted": "일부 승격됨", "outcome.queued": "진행 중이거나 다음 실행이 처리", "outcome.alreadyHandled": "이미 처리됨", "outcome.imported": "가져옴, 학습하지 않음", "outcome.nothing": "할 일 없음", "outcome.rolled back": "되돌림", "outcome.fitted": "학습됨", "outcome.off": "꺼짐", "outcome.leftOut": "제외됨", "outcome.tooLittle": "데이터 부족", "outcome.held": "상호 작용을 기다림", "outcome.later": "다음 실행으로 미룸", "outcome.settings": "설정 반영", "outcome.joined": "결합됨, 다음 실행이 가져옴",
    "state.pending": "실행 대기", "state.taken": "실행이 끝나 다음 실행이 처리", "state.held": "상호 작용을 기다림", "problem.failed": "{kind} 실패", "problem.refused": "릴리스가 기준에 못 미쳐 거부되었습니다",
    earnings: "성과", experiment: "실험", "paper.today": "오늘의 게재 위치", "paper.day": "어제", "paper.week": "한 주", "paper.month": "4주",
    "paper.release": "릴리스", "paper.export": "내보내기", "paper.likelihood": "구매 가능성", "paper.batch": "배치 작업",
    search: "고객 또는 상품 찾기", searchHint: "고객이나 상품의 이름 또는 ID", items: "상품", customers: "고객", noItems: "그런 이름이나 ID의 상품이 없습니다.", notAmong: "상호 작용이 있는 고객 중에는 없는 ID입니다", trail: "상점",
    list: "지금 추천하는 상품", past: "이력", known: "알려진 정보", similar: "비슷한 상품", who: "최근 고객", noPast: "아직 없습니다.", noList: "이 상점에는 이런 목록이 없습니다. 설정에서 뺐거나 기준에 미치지 못했습니다.", noColumns: "열이 없습니다.", unknownCustomer: "아직 알려진 것이 없는 고객입니다. 새 고객이 받는 목록을 보여 줍니다.", interactions: "상호 작용 {count}건, 최근 순", interactions_1: "상호 작용 1건",
    due: "점수의 {share} 기여:", rank: "학습 당시 인기 {rank}위", chance: "{count}일 안에 일어날 확률({type})입니다. 상점의 기본 비율은 {rate}입니다.", chance_1: "1일 안에 일어날 확률({type})입니다. 상점의 기본 비율은 {rate}입니다.", noChance: "확률이 없습니다:",
    "verdict.true": "시험 결과, 숫자를 그대로 믿어도 됩니다.", "verdict.false": "시험 결과, 숫자가 아니라 순서만 쓰세요.", "verdict.null": "시험할 구매가 부족합니다. 순서만 쓰세요.",
    "because.popular": "인기 상품", "because.new": "신상품", "because.promoted": "할인 상품", "because.similarTo": "비슷한 상품이 있어서", "because.becauseYouBought": "구매한 상품이 있어서", "because.becauseYouViewed": "본 상품이 있어서", "because.goesWithBasket": "장바구니와 어울려서",
    "event.Purchase": "구매", "event.Return": "반품", "event.View": "조회", "event.AddToCart": "장바구니 담기",
    "source.campaign": "모델 추천", "source.popular": "인기", "source.cache": "이전 목록", "source.bestsellers": "베스트셀러", "source.engine": "모델을 대신한 엔진의 추천",
    "do.retrain": "재학습", "do.continue": "이어서 실행", "do.rollback": "되돌리기", "do.erase": "삭제", cancel: "취소", close: "닫기", sending: "보내는 중…", started: "시작했습니다: 실행 {run}", erased: "접수했습니다. 접수 번호: {receipt}", type: "확인을 위해 {user}을(를) 입력하세요", typeAgain: "{user}와(과) 다릅니다.",
    "ask.retrain": "{shop} 상점을 다시 학습할까요?", "about.retrain": "지금 있는 데이터로 모든 레시피를 학습하고, 기준을 통과하면 제공합니다. 진행 중인 실행이 있으면 다음 실행이 처리합니다. AWS에서는 학습에 비용이 듭니다.",
    "ask.continue": "{shop} 상점의 작업을 이어서 할까요?", "about.continue": "최근 실패한 실행의 파일과 대기 중인 파일을 다시 처리합니다. 이미 가져오거나 학습한 것은 두 번 하지 않습니다.",
    "ask.rollback": "{shop} 상점을 이전 릴리스로 되돌릴까요?", "about.rollback": "캠페인이 이전 버전을 다시 제공합니다. 지금 버전은 남아 있고, 되돌린 것으로 표시됩니다.",
    "ask.erase": "{shop} 상점에서 {user} 고객을 삭제할까요?", "about.erase": "이 고객의 이벤트는 지금부터 버려지고, 이력과 모델은 하루 이상에 걸쳐 지워집니다. 되돌릴 수 없습니다.",
    "no.retrain": "먼저 파일을 올리세요.", "no.continue": "실패하거나 대기 중인 파일이 없습니다.", "no.rollback": "이전 릴리스가 없습니다.",
  },
};

/** Steps of the state machines in Korean, as the terminal has them; in English they are the machines' own words. */
export const STEPS = await fetch(new URL("./steps.ko.json", import.meta.url)).then((answer) => answer.json());

/** The languages that the switch offers, by code. */
export const LANGUAGES = { en: "English", ko: "한국어" };

let language = stored("language", (navigator.language ?? "en").startsWith("ko") ? "ko" : "en");
if (!(language in LANGUAGES)) language = "en";

/** The code of the language in use. */
export const current = () => language;

/** Use another language from now on. */
export function use(code) {
  language = code;
  store("language", code);
  document.documentElement.lang = code;
}

/** A text in the language in use; `{name}` is filled in, and a `count` may have a text of its own (`key_1`). */
export function t(key, values = {}) {
  const text = TEXTS[language][`${key}_${values.count}`] ?? TEXTS[language][key] ?? TEXTS.en[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name) => (typeof values[name] === "number" ? number(values[name]) : values[name] ?? ""));
}

/** A text by a name that the data give, or the name itself. */
export const name = (group, key) => (`${group}.${key}` in TEXTS.en ? t(`${group}.${key}`) : key);

/** A step in the language in use. */
export const step = (words) => (language === "ko" && STEPS[words]) || words;

/** A number, as people write it. */
export const number = (value, options) => new Intl.NumberFormat(language, options).format(value);

/** A price in the shop's currency; what is no number stays as it is. */
export function money(price, currency) {
  if (!Number.isFinite(Number(price))) return String(price);
  // Korean shops write 12,900원, which Intl has no style for.
  if (currency === "KRW" && language === "ko") return `${number(Number(price), { maximumFractionDigits: 0 })}원`;
  return number(Number(price), currency ? { style: "currency", currency, currencyDisplay: "narrowSymbol" } : {});
}

/** A share, with two digits that mean something. */
export const share = (value) => (value > 0 && value < 0.0001 ? `< ${number(0.0001, { style: "percent", maximumFractionDigits: 2 })}` : number(value, { style: "percent", maximumSignificantDigits: 2 }));

/** Seconds as a duration. */
export function duration(seconds) {
  const units = language === "ko" ? ["초", "분", "시간"] : [" s", " min", " h"];
  if (seconds < 60) return `${number(seconds, { maximumFractionDigits: seconds < 10 ? 1 : 0 })}${units[0]}`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${number(minutes)}${units[1]} ${number(Math.floor(seconds % 60))}${units[0]}`;
  return `${number(Math.floor(minutes / 60))}${units[2]} ${number(minutes % 60)}${units[1]}`;
}

/** A moment: its time today, else its day as well. */
export function moment(iso) {
  const at = new Date(iso);
  if (Number.isNaN(at.getTime())) return iso ?? "";
  const isToday = at.toDateString() === new Date().toDateString();
  const day = isToday ? {} : { month: "short", day: "numeric", ...(at.getFullYear() !== new Date().getFullYear() && { year: "numeric" }) };
  return new Intl.DateTimeFormat(language, { ...day, hour: "2-digit", minute: "2-digit", hourCycle: "h23" }).format(at);
}

/** What tests hold against each other. */
export const texts = TEXTS;
