// SPDX-License-Identifier: Apache-2.0
/** Drawings of groceries, for the demo's items, which have no pictures: by kind of goods, coloured by department and, in parts, by item. */

/** Shapes on a 64 × 64 stage that stand on y = 56. `m` main, `b` the item's own colour, `d` dark, `l` light. */
const GLYPHS = {
  can: `<path class="m" d="M17 14h30v40q-15 4-30 0z"/><path class="b" d="M17 22h30v22H17z"/><ellipse class="l" cx="32" cy="14" rx="15" ry="4"/><circle class="l" cx="32" cy="33" r="6"/>`,
  soda: `<path class="b" d="M21 15l3-5h16l3 5v34l-3 6H24l-3-6z"/><path class="m" d="M24 10h16l3 5H21z"/><path class="l" d="M21 38q11-16 22-8v7q-11-6-22 9z"/>`,
  bottle: `<path class="b" d="M28 8h8v9q8 5 8 13v22q0 4-4 4H24q-4 0-4-4V30q0-8 8-13z"/><path class="d" d="M27 5h10v6H27z"/><path class="l" d="M20 33h24v13H20z"/><path class="m" d="M24 37h16v2H24zm0 4h10v2H24z"/>`,
  water: `<path class="m" d="M28 9h8v7q8 4 8 12v24q0 4-4 4H24q-4 0-4-4V28q0-8 8-12z"/><path class="b" d="M27 5h10v6H27z"/><path class="l" d="M20 31h24v12H20z"/><path class="b" d="M32 33q4 4 4 6a4 4 0 0 1-8 0q0-2 4-6z"/>`,
  carton: `<path class="m" d="M19 26l6-12h14l6 12v30H19z"/><path class="b" d="M19 36h26v20H19z"/><path class="l" d="M25 14h14V8H25z"/><path class="d" d="M19 26h26v1.6H19z"/><circle class="l" cx="32" cy="46" r="5"/>`,
  jar: `<path class="b" d="M19 22q0-4 4-4h18q4 0 4 4v30q0 4-4 4H23q-4 0-4-4z"/><path class="d" d="M20 10h24v8H20z"/><path class="l" d="M19 29h26v16H19z"/><path class="m" d="M25 35h14v2H25zm3 4h8v2h-8z"/>`,
  box: `<path class="b" d="M17 9h30v47H17z"/><path class="l" d="M21 14h22v10H21z"/><circle class="m" cx="32" cy="40" r="10"/><path class="l" d="M22 40h20a10 10 0 0 1-20 0z"/><path class="d" d="M25 18h14v2H25z"/>`,
  pack: `<path class="b" d="M12 20h40v32q0 4-4 4H16q-4 0-4-4z"/><path class="m" d="M12 20l4-5h32l4 5z"/><path class="l" d="M19 28h26v16H19z"/><path class="d" d="M24 33h16v2H24zm0 5h10v2H24z"/>`,
  bag: `<path class="b" d="M18 12h28l3 44H15z"/><path class="d" d="M17 9h30v5H17z"/><ellipse class="l" cx="32" cy="34" rx="11" ry="9"/><path class="m" d="M25 34q7-8 14 0-7 7-14 0z"/>`,
  bread: `<path class="m" d="M10 30q0-14 22-14t22 14q0 5-4 6v16q0 4-4 4H18q-4 0-4-4V36q-4-1-4-6z"/><path class="l" d="M18 33q-3-1-3-4 2-8 17-8t17 8q0 3-3 4v17H18z"/><path class="m" d="M26 30l4 4-4 4zm10 6l4 4-4 4z"/>`,
  bun: `<path class="m" d="M8 44q0-20 24-20t24 20q0 12-24 12T8 44z"/><path class="l" d="M20 34q2-4 7-5-1 4 2 8-5 0-9-3zm15-5q5 1 8 5-4 4-9 3 2-4 1-8z"/>`,
  cheese: `<path class="m" d="M8 38l36-20q12 5 12 20z"/><path class="b" d="M8 38h48v18H8z"/><circle class="l" cx="20" cy="47" r="4"/><circle class="l" cx="38" cy="50" r="3"/><circle class="l" cx="46" cy="43" r="2.5"/><circle class="l" cx="40" cy="29" r="3"/>`,
  pizza: `<path class="m" d="M32 58L8 18q24-14 48 0z"/><path class="l" d="M32 52L13 22q19-9 38 0z"/><circle class="b" cx="26" cy="25" r="4"/><circle class="b" cx="39" cy="27" r="4"/><circle class="b" cx="32" cy="38" r="4"/>`,
  cup: `<path class="m" d="M16 18h32l-4 36q-12 4-24 0z"/><path class="b" d="M17.5 28h29l-2 18h-25z"/><path class="l" d="M14 13h36v6H14z"/><circle class="l" cx="32" cy="37" r="5"/>`,
  ice: `<path class="m" d="M21 34h22L32 58z"/><circle class="b" cx="25" cy="27" r="10"/><circle class="l" cx="39" cy="27" r="10"/><circle class="m" cx="32" cy="17" r="10"/>`,
  coffee: `<path class="b" d="M12 26h32v14q0 14-16 14T12 40z"/><path class="m" d="M44 29h4q8 0 8 8t-9 8h-4l1-5h3q4 0 4-3t-4-3h-3zM8 54h40v3H8z"/><path class="m" d="M22 20q-4-4 0-8m8 8q-4-4 0-8m8 8q-4-4 0-8" fill="none" stroke-width="2.5" stroke-linecap="round"/>`,
  apple: `<path class="b" d="M32 24q8-7 15-2 9 7 4 21-5 13-13 13-3 0-6-2-3 2-6 2-8 0-13-13-5-14 4-21 7-5 15 2z"/><path class="d" d="M31 24q-1-8 4-13l2 2q-4 4-3 11z"/><path class="m" d="M37 15q5-6 12-4-3 7-12 4z"/><path class="l" d="M20 30q-4 5-1 11 2-7 5-10z"/>`,
  banana: `<path class="b" d="M45 7q15 21 1 37-13 14-36 11-5-2-2-8 19 0 26-14 5-11 3-25z"/><path class="l" d="M48 22q1 12-8 20-10 9-25 9 14-3 23-11 7-7 10-18z"/><path class="d" d="M37 4l9 0 1 6-9 1z"/>`,
  citrus: `<circle class="b" cx="32" cy="35" r="21"/><circle class="l" cx="32" cy="35" r="17"/><path class="b" d="M32 33V20q8 0 11 6zm2 2l10-7q5 6 2 13zm-1 2l12 5q-4 7-11 8zm-3 0l-1 13q-8-1-10-7zm-1-2l-12 6q-3-7 2-13zm1-2L20 26q4-6 10-6z"/>`,
  berry: `<circle class="b" cx="22" cy="40" r="9"/><circle class="b" cx="42" cy="40" r="9"/><circle class="b" cx="32" cy="47" r="9"/><circle class="b" cx="32" cy="29" r="9"/><circle class="b" cx="32" cy="39" r="6"/><path class="m" d="M32 24q-9-1-10-10 9 1 10 10 1-9 10-10-1 9-10 10z"/><circle class="l" cx="29" cy="26" r="2.5"/><circle class="l" cx="19" cy="37" r="2.5"/><circle class="l" cx="39" cy="37" r="2.5"/>`,
  carrot: `<path class="b" d="M16 56Q14 34 26 26q10-5 14 2 3 6-4 14-8 9-20 14z"/><path class="m" d="M34 25q-4-12 4-18 3 8 1 16 6-8 14-6-3 9-12 10z"/><path class="l" d="M26 33l6 5-1 1-6-4zm-4 9l6 4-2 1-5-3z"/>`,
  leaf: `<path class="b" d="M10 40q-4-18 12-22 2-10 12-10t13 10q12 6 8 20-4 16-22 18-19-2-23-16z"/><path class="m" d="M18 38q0-12 14-18 14 6 14 18-4 10-14 12-10-2-14-12z"/><path class="l" d="M31 24h2v28h-2zm2 9l8-5 1 2-9 6zm-2 6l-8-5-1 2 9 6z"/>`,
  tomato: `<ellipse class="b" cx="32" cy="37" rx="22" ry="19"/><path class="m" d="M32 24l-9-3 4-2-4-6 8 3 1-6 2 6 8-3-4 6 4 2z"/><path class="l" d="M15 36q0-8 6-11-3 6-2 12z"/>`,
  potato: `<path class="m" d="M12 42q-4-14 10-20 6-10 20-6 14 6 12 20 0 16-18 18-18 4-24-12z"/><circle class="b" cx="26" cy="32" r="2"/><circle class="b" cx="38" cy="28" r="2"/><circle class="b" cx="42" cy="42" r="2"/><circle class="b" cx="27" cy="45" r="2"/>`,
  onion: `<path class="m" d="M32 8q2 10 9 14 13 6 12 18-1 14-21 14T11 40q-1-12 12-18 7-4 9-14z"/><path class="l" d="M32 22q8 8 8 18 0 8-8 12-8-4-8-12 0-10 8-18z"/><path class="b" d="M28 54h8l-2 5h-4z"/>`,
  steak: `<path class="b" d="M10 40Q6 24 22 16q18-8 28 4 8 10 2 22-4 6-14 7-8 1-12 5-12 4-16-14z"/><path class="l" d="M15 39q-2-12 9-18 14-6 22 3 5 8 1 15-3 4-11 5-9 1-13 5-6 1-8-10z"/><path class="b" d="M20 39q-1-9 6-13 11-5 17 2 3 5 1 9-3 3-9 3-8 1-12 4-2-1-3-5z"/><circle class="l" cx="35" cy="31" r="4"/>`,
  drumstick: `<path class="b" d="M24 12q18-8 26 6 4 14-8 20-8 4-15 4l-5 6-6-6 4-5q-4-18 4-25z"/><path class="l" d="M22 40l6 6-7 6q1 5-4 5-3 0-3-4-4 0-4-3 0-5 5-4z"/><path class="m" d="M28 16q8-4 14 0-8 0-14 6z"/>`,
  sausage: `<path class="b" d="M12 18q6-8 12 0 10 16 24 18 9 2 6 9-3 6-12 4Q20 44 10 26q-2-4 2-8z"/><path class="l" d="M17 20q8 18 28 22l-1 2Q24 40 15 22z"/><path class="m" d="M10 16l-4-4 5-1zm44 30l5 4-6 1z"/>`,
  fish: `<path class="b" d="M8 36q12-18 32-12l14-8-3 18 5 14-16-6Q20 54 8 36z"/><path class="l" d="M8 36q14 6 32 4-20 10-32-4z"/><circle class="d" cx="19" cy="33" r="2.5"/><path class="m" d="M28 26q4 9 0 20l3-1q3-9 0-19z"/>`,
  egg: `<ellipse class="m" cx="17" cy="36" rx="8.5" ry="12"/><ellipse class="m" cx="47" cy="36" rx="8.5" ry="12"/><ellipse class="m" cx="32" cy="33" rx="9.5" ry="14"/><ellipse class="l" cx="29" cy="29" rx="2.2" ry="5"/><ellipse class="l" cx="14.5" cy="33" rx="1.8" ry="4"/><ellipse class="l" cx="44.5" cy="33" rx="1.8" ry="4"/><path class="b" d="M6 41q6 6 13 0 6 6 13 0 6 6 13 0 7 6 13 0l-4 15H10z"/>`,
  cookie: `<circle class="m" cx="32" cy="35" r="21"/><circle class="d" cx="25" cy="28" r="3.5"/><circle class="d" cx="40" cy="30" r="3"/><circle class="d" cx="34" cy="43" r="3.5"/><circle class="d" cx="22" cy="41" r="2.5"/><circle class="b" cx="43" cy="41" r="2.5"/><circle class="l" cx="32" cy="34" r="2"/>`,
  cake: `<path class="m" d="M10 34h44v22H10z"/><path class="b" d="M10 32q0-8 8-8h28q8 0 8 8v6q-4 5-7.3 0-3.6 5-7.3 0-3.7 5-7.4 0-3.6 5-7.3 0-3.7 5-7.3 0-3.7 5-7.4 0z"/><path class="l" d="M30 14h4v10h-4zM10 46h44v3H10z"/><path class="d" d="M32 6q4 5 0 8-4-3 0-8z"/>`,
  candy: `<path class="m" d="M4 24l14 6v8L4 44l4-10zm56 0l-14 6v8l14 6-4-10z"/><circle class="b" cx="32" cy="34" r="16"/><path class="l" d="M22 24q10 4 12 26h-5q-2-16-11-20zm12-6q12 10 9 28l-4 2q3-18-8-30z"/>`,
  bowl: `<path class="b" d="M6 32h52q0 22-20 24H26Q6 54 6 32z"/><ellipse class="m" cx="32" cy="32" rx="26" ry="6"/><ellipse class="l" cx="32" cy="32" rx="20" ry="3.5"/><path class="m" d="M24 22q-4-4 0-8m8 8q-4-4 0-8m8 8q-4-4 0-8" fill="none" stroke-width="2.5" stroke-linecap="round"/>`,
  tray: `<path class="m" d="M6 26h52l-5 28H11z"/><path class="l" d="M11 30h19v19H14zm23 0h19l-1.5 8H34z"/><path class="b" d="M34 41h17.200l-1.5 8H34z"/><path class="b" d="M16 37q5-6 11 0-5 7-11 0z"/><path class="d" d="M4 22h56v4H4z"/>`,
  frozen: `<path class="b" d="M14 12h36v44H14z"/><path class="d" d="M14 8h36v5H14z"/><path class="l" d="M31 20h2v24h-2zm-9.9 7l1-1.7 20.8 12-1 1.700zm20.8-1.700l1 1.7-20.8 12-1-1.700z"/><path class="m" d="M20 48h24v3H20z"/>`,
  nuts: `<path class="m" d="M16 44q-8-10 0-20 6-8 14-4 4-10 14-8 12 4 10 18-2 12-14 14-4 12-14 10-7-2-10-10z"/><path class="b" d="M22 40q-5-7 0-13 4-5 9-2 5 5 3 12-1 8-6 9-4-1-6-6zm16-10q-2-6 2-10 5-2 8 3 2 7-2 11-5 2-8-4z"/>`,
  beer: `<path class="b" d="M14 24h28v28q0 4-4 4H18q-4 0-4-4z"/><path class="m" d="M42 30h6q6 0 6 6v8q0 6-6 6h-6v-5h4q3 0 3-3v-4q0-3-3-3h-4z"/><path class="l" d="M12 26q-4-8 4-11 2-7 10-5 8-4 13 3 8 1 6 9-1 5-5 4zm7 6h3v18h-3zm7 0h3v18h-3zm7 0h3v18h-3z"/>`,
  wine: `<path class="b" d="M20 8h24q3 24-12 26Q17 32 20 8z"/><path class="l" d="M19.5 18h25q-1 14-12.5 16-11.5-2-12.5-16z"/><path class="b" d="M19.7 20h24.600q-1.3 12-12.3 14-11-2-12.3-14z"/><path class="m" d="M30.5 34h3v18h-3zM20 56q0-4 12-4t12 4z"/>`,
  baby: `<path class="m" d="M20 24h24v28q0 4-4 4H24q-4 0-4-4z"/><path class="b" d="M20 38h24v14q0 4-4 4H24q-4 0-4-4z"/><path class="d" d="M18 19h28v6H18z"/><path class="l" d="M26 19q0-5 3-7V7q3-3 6 0v5q3 2 3 7z"/><path class="l" d="M38 29h6v1.600h-6zm0 5h6v1.600h-6zm0 5h6v1.600h-6z"/>`,
  paw: `<path class="b" d="M18 44q4-4 6-9 8-8 16 0 2 5 6 9 4 6-1 10-4 3-8 1-5-2-10 0-4 2-8-1-5-4-1-10z"/><ellipse class="m" cx="13" cy="32" rx="5" ry="7"/><ellipse class="m" cx="24" cy="19" rx="5.5" ry="8"/><ellipse class="m" cx="40" cy="19" rx="5.5" ry="8"/><ellipse class="m" cx="51" cy="32" rx="5" ry="7"/>`,
  spray: `<path class="b" d="M22 24h16q6 6 6 14v14q0 4-4 4H22q-4 0-4-4V36q0-8 4-12z"/><path class="d" d="M22 10h18l6 4v4H36v6H24v-6q-4-2-2-8z"/><path class="l" d="M18 36h26v12H18z"/><path class="m" d="M48 12l7-3v2l-6 3zm0 4h8v2h-8z"/><circle class="m" cx="31" cy="42" r="4"/>`,
  roll: `<path class="l" d="M12 22h34v34H12z"/><ellipse class="l" cx="46" cy="39" rx="9" ry="17"/><ellipse class="m" cx="46" cy="39" rx="8" ry="16"/><ellipse class="l" cx="46" cy="39" rx="5" ry="10"/><ellipse class="d" cx="46" cy="39" rx="2.5" ry="5"/><path class="b" d="M12 22h34q-4 5-6 9H12zm0 27h28q2 5 6 7H12z"/>`,
  flower: `<path class="m" d="M31 34h3v22h-3z"/><path class="m" d="M33 50q2-10 14-10-2 11-14 10z"/><circle class="b" cx="32" cy="14" r="8"/><circle class="b" cx="42" cy="21" r="8"/><circle class="b" cx="38" cy="33" r="8"/><circle class="b" cx="26" cy="33" r="8"/><circle class="b" cx="22" cy="21" r="8"/><circle class="l" cx="32" cy="24" r="7"/>`,
  tube: `<path class="b" d="M18 12h28l-4 34H22z"/><path class="m" d="M16 7h32v6H16z"/><path class="d" d="M24 46h16v10H24z"/><path class="l" d="M25 22h14l-1 12H26z"/>`,
  pills: `<path class="b" d="M18 20h28v32q0 4-4 4H22q-4 0-4-4z"/><path class="m" d="M16 9h32v11H16z"/><path class="l" d="M18 28h28v18H18zm2-15h3v4h-3zm7 0h3v4h-3zm7 0h3v4h-3zm7 0h3v4h-3z"/><path class="b" d="M30 31h4v4h4v4h-4v4h-4v-4h-4v-4h4z"/>`,
  basket: `<path class="m" d="M10 30h44l-5 26H15z"/><path class="d" d="M8 26h48v5H8z"/><path class="b" d="M20 27L30 9l3 2-9 16zm24 0L34 9l-3 2 9 16z"/><path class="l" d="M20 36h3v14h-3zm10 0h3v14h-3zm10 0h3v14h-3z"/>`,
};

/** The first kind whose words are in the category or the name gives the drawing. */
const KINDS = [
  [/baby|infant|diaper/, "baby"], [/\b(cat|dog|pet|bird)\b|litter/, "paw"],
  [/pizza/, "pizza"], [/ice cream|sherbet|novelt|ice pops|frozen dessert/, "ice"], [/yogurt|pudding|cottage|sour cream|milk by-?products|dips?\b/, "cup"],
  [/cheese/, "cheese"], [/\beggs?\b/, "egg"], [/^(?!.*peanut).*(margarine|butter\b)/, "pack"],
  [/shelf stable vegetable|dry beans|canned glass|shelf stable fruit|shelf stable meat/, "can"], [/peanut butter|jelly|jam|honey|salsa|pickle|olive|relish|pasta sauce|spice|season/, "jar"], [/broth|soup/, "bowl"],
  [/juice|refrigerated drinks|fluid milk|milk\b|creamer|soy/, "carton"],
  [/isotonic|water|new age/, "water"], [/soft drink|soda|carbonated/, "soda"], [/beer|ale\b/, "beer"], [/wine|spirit|liquor/, "wine"],
  [/coffee|\bteas?\b|cocoa/, "coffee"], [/cereal|oat/, "box"],
  [/frozen (meat|dinner|entree|breakfast)|meat dinners|entree/, "tray"], [/frozen|frzn/, "frozen"],
  [/banana|tropical/, "banana"], [/citrus|orange|lemon|lime\b|grapefruit|mandarin/, "citrus"], [/berr|grape|cherr/, "berry"],
  [/apple|pear|stone fruit|melon|peach/, "apple"], [/carrot/, "carrot"], [/tomato/, "tomato"], [/potato/, "potato"], [/onion|garlic/, "onion"],
  [/salad mix|lettuce|herb|vegetable|broccoli|cabbage|greens|organic|mushroom|pepper/, "leaf"],
  [/chicken|poultry|turkey|wing/, "drumstick"], [/seafood|fish|shrimp|tuna|crab/, "fish"], [/hot dog|sausage|bacon/, "sausage"],
  [/lunchmeat|deli|ham\b/, "pack"], [/beef|pork|meat|lamb|veal|steak/, "steak"],
  [/cookie|cracker/, "cookie"], [/cake|pie|pastr|sweet goods|donut|dessert|muffin/, "cake"], [/candy|chocolate|gum\b|mint/, "candy"],
  [/\b(bun|roll|bagel|tortilla)/, "bun"], [/bread|bakery|dough/, "bread"],
  [/nuts|seed|trail/, "nuts"], [/snack|chip|popcorn|pretzel|flour|sugar|rice/, "bag"], [/bean|canned|shelf stable|fruit/, "can"],
  [/pasta|noodle|dinner mix|mix|stuffing|hispanic|bag|wrap|foil/, "box"], [/condiment|sauce|dressing|syrup|oil|vinegar|ketchup/, "bottle"],
  [/tissue|towel|paper|napkin/, "roll"], [/clean|laundry|detergent|bleach|dish|insect|\bair care/, "spray"],
  [/hair|soap|\boral|dental|deodorant|lotion|skin|shav|cosmetic|makeup/, "tube"], [/vitamin|remed|cold|pain|antacid|\bdrugs?\b|laxative|first aid|medic|health/, "pills"],
  [/floral|flower|garden|plant/, "flower"], [/produce/, "leaf"], [/hygiene|incontinence/, "pack"], [/baking/, "bag"], [/dairy/, "carton"], [/seafood/, "fish"],
];

/** A hue for each department, so that a shelf is of one mood. */
const HUES = [
  [/produce|garden/, 96], [/fresh meat/, 8], [/packaged meat|deli/, 18], [/seafood/, 200], [/bakery/, 34], [/floral/, 330],
  [/drugstore|cosmetic/, 262], [/wine/, 345], [/prepared|salad bar/, 152],
];
/** Within the largest department, groceries, the drawing decides. */
const GLYPH_HUES = {
  carton: 210, cheese: 44, cup: 335, egg: 40, ice: 190, frozen: 205, pizza: 14, tray: 226, soda: 356, water: 198, beer: 42, coffee: 24,
  bread: 36, bun: 32, cookie: 28, cake: 340, candy: 318, jar: 16, bottle: 74, can: 12, bowl: 22, box: 48, bag: 52, paw: 30, spray: 186,
  roll: 222, baby: 204, leaf: 110, nuts: 30, pack: 46,
};

/** What everybody knows the colour of has it. */
const OWN_HUES = { banana: 48, berry: 352, carrot: 26, tomato: 6, apple: 358, citrus: 34, leaf: 112, potato: 34, onion: 24, steak: 354, sausage: 12, fish: 204, egg: 206, cheese: 42, bread: 30, bun: 30, drumstick: 28, pizza: 8 };

const GROWN = [[/blue/, 232], [/black/, 268], [/white|green/, 84], [/grape/, 292]];

/** A small number that always is the same for a text. */
function hash(text) {
  let value = 2166136261;
  for (const char of text) value = Math.imul(value ^ char.codePointAt(0), 16777619) >>> 0;
  return (value ^ (value >>> 13)) >>> 0;
}

/** Which drawing shows an item. */
export function glyphOf({ name = "", l1 = "", l2 = "" }) {
  const texts = [l2.toLowerCase(), name.toLowerCase(), l1.toLowerCase()];
  for (const text of texts) for (const [words, glyph] of KINDS) if (text && words.test(text)) return glyph;
  return "basket";
}

/** The hue of an item's tile, 0 to 359. */
export function hueOf(item, glyph = glyphOf(item)) {
  const department = (item.l1 ?? "").toLowerCase();
  const own = HUES.find(([words]) => words.test(department))?.[1] ?? GLYPH_HUES[glyph] ?? hash(item.l2 || item.l1 || item.id) % 360;
  return (own + (hash(item.id) % 17) - 8 + 360) % 360;
}

/** The picture of an item, as an element that says nothing to a screen reader: its name stands beside it. */
export function tile(item) {
  const glyph = glyphOf(item), seed = hash(item.id);
  const box = document.createElement("span");
  box.className = `tile backdrop-${seed % 4}`;
  box.setAttribute("aria-hidden", "true");
  box.style.setProperty("--hue", hueOf(item, glyph));
  box.style.setProperty("--depth", glyph in OWN_HUES ? "62%" : "46%");
  const grown = GROWN.find(([words]) => words.test(item.name.toLowerCase()))?.[1];
  box.style.setProperty("--own", (glyph === "berry" && grown) || OWN_HUES[glyph] || (hueOf(item, glyph) + [0, 18, -22, 40, 160, -45, 205][seed % 7] + 360) % 360);
  const turn = glyph === "bag" || glyph === "box" || glyph === "tube" ? (seed % 9) - 4 : 0;
  box.innerHTML = `<svg viewBox="0 0 64 64" focusable="false"><ellipse class="floor" cx="32" cy="56.5" rx="24" ry="3.5"/><g transform="rotate(${turn} 32 56)">${GLYPHS[glyph]}</g></svg>`;
  return box;
}
