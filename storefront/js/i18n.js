// SPDX-License-Identifier: Apache-2.0
/** English and Korean; numbers, prices and times by the language. Names of items and categories are the shop's own. */

import { keep, kept } from "./dom.js";

const TEXTS = {
  en: {
    demo: "A shop to try things in: nothing is sold.", demoHere: "What you do here stays on this machine.", demoPictures: "Pictures come from {hosts}.",
    skip: "Skip to content", search: "Search", searchHint: "Search by name or department…", departments: "Departments", trail: "You are here", all: "All departments",
    cart: "Cart", cartCount: "Cart, {count} items", cartCount_1: "Cart, 1 item", account: "Account", stranger: "Guest", theme: "Light or dark", language: "Language",
    panel: "What just happened", panelClose: "Hide what just happened", panelEmpty: "Click around: everything the shop asks appears here, and how your lists change.",
    panelClear: "Clear", previous: "Back", next: "Forward", add: "Add to cart", addNamed: "Add {name} to cart", added: "{name} is in the cart",
    welcome: "Good to see you", welcomeStranger: "A shop that gets to know you", heroText: "Look at something, put it into the cart, and watch the shelves rearrange themselves.",
    heroUser: "You are shopping as {name}.", heroStranger: "You are a guest: the shop knows what you do on this visit, and nothing else.", change: "Shop as someone else", logInAs: "Log in as a customer", newVisit: "Start another visit",
    recommended: "Recommended for you", popular: "Popular", becauseViewed: "Because you looked at {name}", becauseBought: "Because you bought {name}",
    similar: "Similar items", goesWith: "Goes with it", goesWithHint: "Similar to what is in the cart, ranked for you", goesWithNewest: "Picked for {name}, the newest in the cart", mixed: "from {list}",
    "because.popular": "Popular", "because.trending": "Trending", "because.new": "New here", "because.promoted": "On offer", "because.similarTo": "Similar to {name}", "because.becauseYouBought": "Because you bought {name}",
    "because.becauseYouViewed": "Because you looked at {name}", "because.goesWithBasket": "Goes with {name} in the cart",
    "source.campaign": "personal picks", "source.recommender": "personal picks", "source.engine": "personal picks", "source.popular": "popular items", "source.cache": "earlier picks", "source.bestsellers": "best sellers",
    sortFor: "For you", sortMatch: "Best match", sortPrice: "Price", sortName: "Name", sort: "Sort", results: "{count} items", results_1: "1 item", resultsFor: "“{query}”", nothing: "We found nothing for that. Try another word, or look at these.", noItems: "There is nothing here yet.", itemsFailed: "The items could not be loaded. Try again in a moment.",
    more: "Show more", unit: "Item {id}", quantity: "Quantity", less: "One less", oneMore: "One more", remove: "Remove {name}",
    cartEmpty: "The cart is empty.", subtotal: "Subtotal", checkout: "Check out", goShopping: "Go shopping", delivery: "Delivery",
    slotToday: "Today, {hours}", slotTomorrow: "Tomorrow, {hours}", slotPick: "I pick it up", free: "free", placeOrder: "Place the order", noOrder: "Nothing is charged or delivered: the shop only remembers what you bought.",
    thanks: "Thank you", thanksText: "You bought {count} items. What you see below follows already.", thanksText_1: "You bought 1 item. What you see below follows already.", backHome: "Back to the shop",
    accountTitle: "Who is shopping?", accountText: "Customers come with what they bought before. A guest has no past.", accountSession: "You are a guest. A new visit begins with no past.",
    newShopper: "A new customer", newText: "Never bought anything here; only this is known:", any: "any", start: "Start shopping", strangerText: "A new visit, without a past",
    often: "Often: {list}", current: "current", close: "Close", userId: "Customer id", logIn: "Log in", customer: "Customer {id}",
    cause_open: "Opened the shop", cause_view: "Looked at {name}", cause_cart: "Put {name} into the cart", cause_buy: "Placed an order", cause_login: "Logged in as {name}", cause_logout: "Became a guest", cause_browse: "Browsed {name}", cause_opencart: "Opened the cart", cause_search: "Searched “{name}”", cause_back: "Came back to the front page",
    entered: "{count} came in", left: "{count} left", across: "{count} from another shelf", moved: "{count} moved", same: "The same list as before", shared: "The same for everybody, without what other shelves show", first: "{count} items", first_1: "1 item", failed: "failed", retried: "try {count}",
    wasAt: "was {from}", isNew: "came in", isGone: "left", otherShelf: "other shelf", newBadge: "Just for you", offline: "The shop does not answer. Is the local cloud up?", offlineShelf: "This shelf could not be filled.", notFound: "There is nothing at this address.",
    total: "Total", facts_AGE: "Age", facts_INCOME: "Income", facts_HOUSEHOLD_SIZE: "Household size", facts_HOME_OWNERSHIP: "Home", facts_MARITAL_STATUS: "Marital status", facts_KIDS: "Children",
    kids_0: "no children", kids_1: "one child", kids: "{count} children", age: "{age}", newcomer: "New customer",
  },
  ko: {
    demo: "시험용 상점입니다. 실제로 판매하지 않습니다.", demoHere: "여기에서 한 일은 이 컴퓨터 밖으로 나가지 않습니다.", demoPictures: "사진은 {hosts}에서 가져옵니다.",
    skip: "본문으로 건너뛰기", search: "검색", searchHint: "이름이나 카테고리로 검색…", departments: "카테고리", trail: "현재 위치", all: "전체 카테고리",
    cart: "장바구니", cartCount: "장바구니, 상품 수: {count}", cartCount_1: "장바구니, 상품 수: 1", account: "계정", stranger: "비회원", theme: "밝게 또는 어둡게", language: "언어",
    panel: "방금 일어난 일", panelClose: "방금 일어난 일 숨기기", panelEmpty: "둘러보세요. 상점이 보내는 요청과 추천 목록이 어떻게 바뀌는지 여기에 표시됩니다.",
    panelClear: "지우기", previous: "이전", next: "다음", add: "장바구니에 담기", addNamed: "{name} 장바구니에 담기", added: "{name} 담았습니다",
    welcome: "다시 오셨네요", welcomeStranger: "볼수록 나를 알아 가는 상점", heroText: "상품을 보고 장바구니에 담아 보세요. 진열이 바로 바뀝니다.",
    heroUser: "{name} 고객으로 쇼핑하고 있습니다.", heroStranger: "비회원입니다. 상점은 이번 세션의 행동만 알고 있습니다.", change: "다른 고객으로 쇼핑하기", logInAs: "고객으로 로그인하기", newVisit: "새로 방문하기",
    recommended: "추천 상품", popular: "인기 상품", becauseViewed: "{name} 상품을 보셨기에", becauseBought: "{name} 상품을 사셨기에",
    similar: "비슷한 상품", goesWith: "함께 담으면 좋은 상품", goesWithHint: "담은 상품과 비슷한 상품을 고객 취향순으로", goesWithNewest: "가장 나중에 담은 {name} 상품에 맞춰 골랐습니다", mixed: "· {list}",
    "because.popular": "인기 상품", "because.trending": "요즘 뜨는 상품", "because.new": "신상품", "because.promoted": "할인 상품", "because.similarTo": "{name} 상품과 비슷해요", "because.becauseYouBought": "{name} 상품을 사셨기에",
    "because.becauseYouViewed": "{name} 상품을 보셨기에", "because.goesWithBasket": "담으신 {name} 상품과 잘 어울려요",
    "source.campaign": "맞춤 추천", "source.recommender": "맞춤 추천", "source.engine": "맞춤 추천", "source.popular": "인기 상품", "source.cache": "이전 추천", "source.bestsellers": "베스트셀러",
    sortFor: "추천순", sortMatch: "정확도순", sortPrice: "가격순", sortName: "이름순", sort: "정렬", results: "상품 {count}개", results_1: "상품 1개", resultsFor: "“{query}”", nothing: "검색 결과가 없습니다. 다른 검색어로 찾거나 아래 상품을 둘러보세요.", noItems: "아직 상품이 없습니다.", itemsFailed: "상품을 불러오지 못했습니다. 잠시 후 다시 시도해 주세요.",
    more: "더 보기", unit: "상품 {id}", quantity: "수량", less: "하나 빼기", oneMore: "하나 더", remove: "{name} 빼기",
    cartEmpty: "장바구니가 비어 있습니다.", subtotal: "합계", checkout: "주문하기", goShopping: "쇼핑하러 가기", delivery: "배송",
    slotToday: "오늘 {hours}", slotTomorrow: "내일 {hours}", slotPick: "직접 찾아갑니다", free: "무료", placeOrder: "주문 완료하기", noOrder: "결제나 배송은 없습니다. 구매한 상품만 기록합니다.",
    thanks: "고맙습니다", thanksText: "상품 {count}개를 구매하셨습니다. 아래 추천에 이미 반영되었습니다.", thanksText_1: "상품 1개를 구매하셨습니다. 아래 추천에 이미 반영되었습니다.", backHome: "상점으로 돌아가기",
    accountTitle: "누가 쇼핑하나요?", accountText: "고객에게는 구매 이력이 있고, 비회원에게는 없습니다.", accountSession: "비회원입니다. 새로 방문하면 이력 없이 시작합니다.",
    newShopper: "신규 고객", newText: "아직 구매 이력이 없고, 다음 정보만 알려진 고객입니다.", any: "선택 안 함", start: "쇼핑 시작", strangerText: "이력 없는 새로운 방문",
    often: "자주 사는 것: {list}", current: "현재 고객", close: "닫기", userId: "고객 ID", logIn: "로그인", customer: "고객 {id}",
    cause_open: "상점에 들어왔습니다", cause_view: "{name} 상품을 보았습니다", cause_cart: "{name} 상품을 담았습니다", cause_buy: "주문했습니다", cause_login: "{name} 고객으로 로그인했습니다", cause_logout: "비회원이 되었습니다", cause_browse: "{name} 상품을 둘러보았습니다", cause_opencart: "장바구니를 열었습니다", cause_search: "“{name}” 상품을 검색했습니다", cause_back: "첫 화면으로 돌아왔습니다",
    entered: "들어옴 {count}", left: "빠짐 {count}", across: "다른 목록에서 {count}", moved: "이동 {count}", same: "이전과 같은 목록", shared: "모두에게 같은 목록에서 다른 추천에 나온 상품만 뺐습니다", first: "상품 {count}개", first_1: "상품 1개", failed: "실패", retried: "{count}번째 시도",
    wasAt: "이전 {from}위", isNew: "들어옴", isGone: "빠짐", otherShelf: "다른 목록", newBadge: "새 추천", offline: "상점이 응답하지 않습니다. 로컬 클라우드가 켜져 있나요?", offlineShelf: "이 목록을 불러오지 못했습니다.", notFound: "이 주소에는 아무것도 없습니다.",
    total: "합계", facts_AGE: "나이", facts_INCOME: "소득", facts_HOUSEHOLD_SIZE: "가구원 수", facts_HOME_OWNERSHIP: "주거", facts_MARITAL_STATUS: "결혼", facts_KIDS: "자녀",
    kids_0: "자녀 없음", kids_1: "자녀 1명", kids: "자녀 {count}명", age: "{age}세", newcomer: "신규 고객",
  },
};

/** Departments of the demo's data. */
const DEPARTMENTS = {
  Grocery: "식료품", "Drugstore & Household": "생활·건강", "Packaged Meat": "가공육", Produce: "채소·과일", "Fresh Meat": "정육", Deli: "델리",
  Bakery: "베이커리", "Fresh Seafood": "수산", Floral: "꽃", "Wine & Spirits": "와인·주류", "Garden Center": "원예", Cosmetics: "화장품",
  "Prepared Food": "즉석식품", "Salad Bar": "샐러드 바", Pastry: "페이스트리", Nutrition: "건강식품", "Packaged Seafood": "가공 수산",
};

/** Words of the demo's users. */
const VALUES = {
  Homeowner: "자가", "Probable Homeowner": "자가로 추정", Renter: "임차", "Probable Renter": "임차로 추정", Married: "기혼", Unmarried: "미혼", Unknown: "알 수 없음",
};

/** The languages that the switch offers, by code. */
export const LANGUAGES = { en: "English", ko: "한국어" };

const ofBrowser = (navigator.language ?? "en").startsWith("ko") ? "ko" : "en";
let language = kept("language", ofBrowser);
let currency;

/** The language that the shop sets, until the visitor chooses one, and its currency; without one prices are plain numbers. */
export function inShop(shopLanguage, money) {
  currency = money ?? undefined;
  if (!kept("language") && shopLanguage in LANGUAGES) language = shopLanguage;
  document.documentElement.lang = language;
}

/** The code of the language in use. */
export const current = () => language;

/** Use another language from now on. */
export function use(code) {
  language = code;
  keep("language", code);
  document.documentElement.lang = code;
}

/** A text in the language in use; `{name}` is filled in, and a `count` may have a text of its own (`key_1`). */
export function t(key, values = {}) {
  const text = TEXTS[language][`${key}_${values.count}`] ?? TEXTS[language][key] ?? TEXTS.en[key] ?? key;
  const filled = text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
  return language === "ko" ? filled.replace(/(\d+)\+(세|명)/g, "$1$2 이상") : filled;
}

/** Whether there is a text of this key. */
export const has = (key) => key in TEXTS.en;

/** A department's name. */
export const department = (name) => (language === "ko" && DEPARTMENTS[name]) || name;

/** A value of a column of users, such as `45-54`, `5+`, `Under 15K`, `Renter`. */
export function valueOf(column, value) {
  if (language !== "ko") return value;
  const [, under, from, to, above] = /^(Under )?(\d+)(?:-(\d+))?K(\+)?$/.exec(value) ?? [];
  if (from) return `${[from, to].filter(Boolean).map((thousands) => `${thousands / 10}만`).join("~")} 달러${under ? " 미만" : above ? " 이상" : ""}`;
  const unit = { AGE: "세", HOUSEHOLD_SIZE: "명", KIDS: "명" }[column] ?? "";
  return VALUES[value] ?? (unit && /^\d[\d-]*\+?$/.test(value) ? `${value.replace("-", "~").replace("+", "")}${unit}${value.endsWith("+") ? " 이상" : ""}` : value);
}

/** A number as the language writes it. */
export const number = (value, digits = 0) => new Intl.NumberFormat(language, { maximumFractionDigits: digits, minimumFractionDigits: digits }).format(value);

/** A price as the language writes it, in the shop's currency. */
export function money(amount) {
  // Korean shops write 12,900원, which Intl has no style for.
  if (currency === "KRW" && language === "ko") return `${new Intl.NumberFormat(language, { maximumFractionDigits: 0 }).format(amount)}원`;
  if (currency) return new Intl.NumberFormat(language, { style: "currency", currency, currencyDisplay: "narrowSymbol" }).format(amount);
  return number(amount, Number.isInteger(amount) ? 0 : 2);
}

/** Two hours of a day as the language writes them. */
export const hours = (from, to) => new Intl.DateTimeFormat(language, { hour: "numeric" }).formatRange(new Date(2026, 0, 1, from), new Date(2026, 0, 1, to));

/** What tests hold against each other. */
export const texts = TEXTS;
