; Input of test_print_c.c: control flow, memory, data, calls, names and shuffles. All kernels read %in and write %out.
target datalayout = "e-m:e-p270:32:32-p271:32:32-p272:64:64-i64:64-i128:128-f80:128-n8:16:32:64-S128"
target triple = "x86_64-pc-linux-gnu"

; ---- control flow -------------------------------------------------------------------------------------------------

; Two phis change places; one is used before it is set anew.
define void @swapped(ptr %in, ptr %out, i64 %n) {
entry:
  %first = load i32, ptr %in, align 1
  %p = getelementptr i32, ptr %in, i64 1
  %second = load i32, ptr %p, align 1
  br label %while
while:
  %a = phi i32 [ %first, %entry ], [ %b, %while ]
  %b = phi i32 [ %second, %entry ], [ %a, %while ]
  %sum = phi i32 [ 0, %entry ], [ %next, %while ]
  %i = phi i64 [ 0, %entry ], [ %up, %while ]
  %three = mul i32 %sum, 3
  %next = add i32 %three, %a
  %up = add i64 %i, 1
  %more = icmp ult i64 %up, %n
  br i1 %more, label %while, label %done
done:
  store i32 %next, ptr %out, align 1
  %q = getelementptr i8, ptr %out, i64 4
  store i32 %a, ptr %q, align 1
  ret void
}

; Several cases go to one block, with one phi value for each edge; one block ends nowhere.
define void @cases(ptr %in, ptr %out, i64 %n) {
  br label %loop
loop:
  %i = phi i64 [ 0, %0 ], [ %up, %join ]
  %p = getelementptr i8, ptr %in, i64 %i
  %x = load i8, ptr %p, align 1
  %low = and i8 %x, 15
  switch i8 %low, label %other [
    i8 0, label %join
    i8 1, label %join
    i8 2, label %two
    i8 -1, label %never
    i8 15, label %two
  ]
two:
  %twice = shl i8 %x, 1
  br label %join
other:
  %odd = trunc i8 %x to i1
  br i1 %odd, label %join, label %two
never:
  unreachable
join:
  %y = phi i8 [ 7, %loop ], [ 7, %loop ], [ %twice, %two ], [ %low, %other ]
  %m = phi i1 [ true, %loop ], [ true, %loop ], [ false, %two ], [ %odd, %other ]
  %z = select i1 %m, i8 %y, i8 %x
  %q = getelementptr i8, ptr %out, i64 %i
  store i8 %z, ptr %q, align 1
  %up = add i64 %i, 1
  %more = icmp ult i64 %up, 64
  br i1 %more, label %loop, label %end
end:
  ret void
}

; Masks of comparisons of different widths meet in a phi.
define void @masks(ptr %in, ptr %out, i64 %n) {
entry:
  %bytes = load <16 x i8>, ptr %in, align 1
  %words = load <16 x i32>, ptr %in, align 1
  %narrow = icmp sgt <16 x i8> %bytes, zeroinitializer
  %wide = icmp ult <16 x i32> %words, splat (i32 -2000000000)
  %c = icmp ugt i64 %n, 3
  br i1 %c, label %yes, label %no
yes:
  %both = and <16 x i1> %narrow, %wide
  br label %join
no:
  br label %join
join:
  %m = phi <16 x i1> [ %both, %yes ], [ <i1 1, i1 0, i1 1, i1 1, i1 0, i1 0, i1 0, i1 1, i1 1, i1 1, i1 1, i1 0, i1 1, i1 0, i1 1, i1 0>, %no ]
  %r = call <16 x i1> @inverted(<16 x i1> %m, <16 x i1> %narrow)
  %s = select <16 x i1> %r, <16 x i8> %bytes, <16 x i8> zeroinitializer
  store <16 x i8> %s, ptr %out, align 1
  %t = select <16 x i1> %m, <16 x i32> %words, <16 x i32> splat (i32 5)
  %q = getelementptr i8, ptr %out, i64 64
  store <16 x i32> %t, ptr %q, align 1
  %bits = bitcast <16 x i1> %r to i16
  %any = icmp ne i16 %bits, 0
  %q2 = getelementptr i8, ptr %out, i64 128
  store i1 %any, ptr %q2, align 1
  %swapped = shufflevector <16 x i1> %m, <16 x i1> %r, <8 x i32> <i32 17, i32 0, i32 3, i32 2, i32 20, i32 31, i32 7, i32 6>
  %eight = bitcast <8 x i1> %swapped to i8
  %q3 = getelementptr i8, ptr %out, i64 129
  store i8 %eight, ptr %q3, align 1
  ret void
}

define internal <16 x i1> @inverted(<16 x i1> %m, <16 x i1> %and) noinline {
  %not = xor <16 x i1> %m, splat (i1 true)
  %r = and <16 x i1> %not, %and
  ret <16 x i1> %r
}

; ---- memory -------------------------------------------------------------------------------------------------------

%pair = type { i8, [3 x { i16, i64, <4 x float> }], ptr }

define void @addresses(ptr %in, ptr %out, i64 %n) {
  %space = alloca %pair, align 64
  %numbers = alloca [4 x i32], align 4
  %lanes = alloca <16 x float>, align 64
  %address = alloca ptr, align 8
  call void @llvm.lifetime.start.p0(i64 16, ptr %numbers)
  call void @llvm.memset.p0.i64(ptr %space, i8 17, i64 128, i1 false)
  %i = and i64 %n, 1
  %narrow = trunc i64 %i to i8
  %field = getelementptr inbounds %pair, ptr %space, i64 0, i32 1, i8 %narrow, i32 2, i64 2
  %x = load float, ptr %in, align 1
  store float %x, ptr %field, align 4
  %field2 = getelementptr %pair, ptr %space, i64 0, i32 2
  %copy = load i64, ptr %field2, align 8
  %negative = sub i64 0, %i
  %past = getelementptr [4 x i32], ptr %numbers, i64 1
  %back = getelementptr i32, ptr %past, i64 %negative
  %last = getelementptr i32, ptr %back, i64 -1
  call void @llvm.memcpy.p0.p0.i64(ptr %numbers, ptr %in, i64 16, i1 false)
  %y = load i32, ptr %last, align 4
  call void @llvm.memmove.p0.p0.i64(ptr %numbers, ptr %last, i64 4, i1 false)
  %first = load i32, ptr %numbers, align 4
  call void @llvm.prefetch.p0(ptr %in, i32 0, i32 3, i32 1)
  call void @llvm.assume(i1 true)
  %v = load <16 x float>, ptr %in, align 1
  store <16 x float> %v, ptr %lanes, align 64
  %lane = getelementptr float, ptr %lanes, i64 9
  %ninth = load i32, ptr %lane, align 4
  store ptr %lane, ptr %address, align 8
  %same = load ptr, ptr %address, align 8
  %equal = icmp eq ptr %same, %lane
  %above = icmp ugt ptr %same, %lanes
  %ends = select i1 %equal, i1 %above, i1 false
  %difference = ptrtoint ptr %same to i64
  %from = ptrtoint ptr %lanes to i64
  %bytes = sub i64 %difference, %from
  call void @llvm.memcpy.p0.p0.i64(ptr %out, ptr %space, i64 128, i1 false)
  %results = getelementptr i8, ptr %out, i64 200
  store i32 %y, ptr %results, align 1
  %r1 = getelementptr i8, ptr %results, i64 4
  store i32 %first, ptr %r1, align 1
  %r2 = getelementptr i8, ptr %results, i64 8
  store i32 %ninth, ptr %r2, align 1
  %r3 = getelementptr i8, ptr %results, i64 12
  store i64 %bytes, ptr %r3, align 1
  %r4 = getelementptr i8, ptr %results, i64 20
  store i64 %copy, ptr %r4, align 1
  %r5 = getelementptr i8, ptr %results, i64 28
  store i1 %ends, ptr %r5, align 1
  ret void
}

; Widths that C does not have.
define void @odd_widths(ptr %in, ptr %out, i64 %n) {
  %x = load i32, ptr %in, align 1
  %p = getelementptr i8, ptr %in, i64 4
  %y = load i32, ptr %p, align 1
  %a = trunc i32 %x to i24
  %b = trunc i32 %y to i24
  %d = or i24 %b, 1
  %sum = add i24 %a, %b
  %product = mul i24 %sum, %a
  %quotient = sdiv i24 %product, %d
  %down = ashr i24 %quotient, 3
  %up = shl i24 %down, 5
  %wide = sext i24 %up to i64
  store i64 %wide, ptr %out, align 1
  %c = icmp slt i24 %a, %b
  %f = sitofp i24 %a to float
  %g = uitofp i24 %b to float
  %h = select i1 %c, float %f, float %g
  %q = getelementptr i8, ptr %out, i64 8
  store float %h, ptr %q, align 1
  %s = trunc i32 %y to i3
  %t = sext i3 %s to i8
  %q2 = getelementptr i8, ptr %out, i64 12
  store i8 %t, ptr %q2, align 1
  %i = sext i24 %a to i32
  %k = and i32 %i, 1023
  %at = getelementptr i8, ptr %in, i32 %k
  %z = load i8, ptr %at, align 1
  %q3 = getelementptr i8, ptr %out, i64 13
  store i8 %z, ptr %q3, align 1
  ret void
}

; ---- data ---------------------------------------------------------------------------------------------------------

@text = private unnamed_addr constant [32 x i8] c"quoted \22 \\ \0A ??= \FF0 and a zero\00\00", align 1
@never_used = internal constant [4 x i32] [i32 1, i32 2, i32 3, i32 4]
@numbers = internal constant [3 x [2 x i16]] [[2 x i16] [i16 1, i16 -2], [2 x i16] zeroinitializer, [2 x i16] [i16 5, i16 6]]
@reals = internal constant { float, [2 x double], float, i1 } { float 0x3FB99999A0000000, [2 x double] [double -0.0, double 0x3FD5555555555555], float 0x4415AF1D80000000, i1 true }
@special = internal constant <4 x float> <float 0x7FF0000000000000, float 0x7FF8000020000000, float 0xFFF0000000000000, float 1.5>, align 16
@packed = internal constant <{ i8, i32, i16 }> <{ i8 9, i32 -559038737, i16 513 }>, align 1
@aligned = internal constant { i8, <8 x i32>, [0 x i8] } { i8 3, <8 x i32> <i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7, i32 8>, [0 x i8] zeroinitializer }, align 32
@table = internal constant [2 x { ptr, ptr, i32 }] [{ ptr, ptr, i32 } { ptr @increased, ptr getelementptr (i8, ptr @text, i64 7), i32 100 }, { ptr, ptr, i32 } { ptr @decreased, ptr getelementptr ([3 x [2 x i16]], ptr @numbers, i64 0, i64 2, i64 1), i32 -100 }]
@circle = internal constant { i32, ptr } { i32 11, ptr @circle2 }
@circle2 = internal constant { ptr, i32 } { ptr @circle, i32 22 }
@counter = internal global i32 40, align 4
@exported = constant [2 x ptr] [ptr @counter, ptr null], align 16

define internal i32 @increased(i32 %x) {
  %r = add i32 %x, 1
  ret i32 %r
}

define internal i32 @decreased(i32 %x) {
  %r = sub i32 %x, 1
  ret i32 %r
}

define void @data(ptr %in, ptr %out, i64 %n) {
  call void @llvm.memcpy.p0.p0.i64(ptr %out, ptr @text, i64 32, i1 false)
  %o1 = getelementptr i8, ptr %out, i64 32
  call void @llvm.memcpy.p0.p0.i64(ptr %o1, ptr @numbers, i64 12, i1 false)
  %o2 = getelementptr i8, ptr %out, i64 64
  call void @llvm.memcpy.p0.p0.i64(ptr %o2, ptr @reals, i64 29, i1 false)
  %o3 = getelementptr i8, ptr %out, i64 96
  %v = load <4 x i32>, ptr @special, align 16
  store <4 x i32> %v, ptr %o3, align 1
  %o4 = getelementptr i8, ptr %out, i64 112
  call void @llvm.memcpy.p0.p0.i64(ptr %o4, ptr @packed, i64 7, i1 false)
  %o5 = getelementptr i8, ptr %out, i64 128
  %eight = load <8 x i32>, ptr getelementptr ({ i8, <8 x i32>, [0 x i8] }, ptr @aligned, i64 0, i32 1), align 32
  store <8 x i32> %eight, ptr %o5, align 1
  %i = and i64 %n, 1
  %row = getelementptr [2 x { ptr, ptr, i32 }], ptr @table, i64 0, i64 %i
  %function = load ptr, ptr %row, align 8
  %place = getelementptr { ptr, ptr, i32 }, ptr %row, i64 0, i32 1
  %what = load ptr, ptr %place, align 8
  %letter = load i16, ptr %what, align 1
  %last = getelementptr { ptr, ptr, i32 }, ptr %row, i64 0, i32 2
  %x = load i32, ptr %last, align 8
  %y = call i32 %function(i32 %x)
  %o6 = getelementptr i8, ptr %out, i64 160
  store i32 %y, ptr %o6, align 1
  %o7 = getelementptr i8, ptr %out, i64 164
  store i16 %letter, ptr %o7, align 1
  %round = load ptr, ptr getelementptr ({ i32, ptr }, ptr @circle, i64 0, i32 1), align 8
  %home = load ptr, ptr %round, align 8
  %eleven = load i32, ptr %home, align 8
  %o8 = getelementptr i8, ptr %out, i64 168
  store i32 %eleven, ptr %o8, align 1
  %again = load ptr, ptr @exported, align 16
  %old = load i32, ptr %again, align 4
  %new = mul i32 %old, 3
  store i32 %new, ptr @counter, align 4
  %o9 = getelementptr i8, ptr %out, i64 172
  store i32 %old, ptr %o9, align 1
  ret void
}

; ---- calls and names ----------------------------------------------------------------------------------------------

declare i32 @memcmp(ptr, ptr, i64)
declare i32 @never_called(i32)

define internal signext i8 @narrow(i8 signext %x, i1 zeroext %up, ptr noalias %p) {
  %h = ashr i8 %x, 1
  %r = select i1 %up, i8 %h, i8 %x
  store i8 %r, ptr %p, align 1
  ret i8 %r
}

define internal <16 x float> @a.b(<16 x float> %int, float %float) alwaysinline {
  %"1 st" = insertelement <16 x float> poison, float %float, i64 0
  %while = shufflevector <16 x float> %"1 st", <16 x float> poison, <16 x i32> zeroinitializer
  %a_b = fmul <16 x float> %int, %while
  %v16f32 = fadd <16 x float> %a_b, %while
  ret <16 x float> %v16f32
}

define internal float @a_b(float %x) noinline {
  %r = fadd float %x, 1.0
  ret float %r
}

define internal void @register(ptr %p) noinline {
  store i8 1, ptr %p, align 1
  ret void
}

; %in begins with the address of a function and its argument.
define void @calls(ptr %in, ptr %out, i64 %n) {
  %callback = load ptr, ptr %in, align 1
  %where = getelementptr i8, ptr %out, i64 8
  call void %callback(ptr %where, i32 77)
  %p = getelementptr i8, ptr %in, i64 8
  %x = load i8, ptr %p, align 1
  %odd = trunc i64 %n to i1
  %r = call signext i8 @narrow(i8 signext %x, i1 zeroext %odd, ptr %out)
  %wide = sext i8 %r to i32
  %o1 = getelementptr i8, ptr %out, i64 16
  store i32 %wide, ptr %o1, align 1
  %v = load <16 x i16>, ptr %p, align 1
  %f = sitofp <16 x i16> %v to <16 x float>
  %s = extractelement <16 x float> %f, i32 5
  %t = call float @a_b(float %s)
  %w = call <16 x float> @a.b(<16 x float> %f, float %t)
  %o2 = getelementptr i8, ptr %out, i64 64
  store <16 x float> %w, ptr %o2, align 1
  %o3 = getelementptr i8, ptr %out, i64 20
  call void @register(ptr %o3)
  %c = call i32 @memcmp(ptr %in, ptr %in, i64 %n)
  %o4 = getelementptr i8, ptr %out, i64 24
  store i32 %c, ptr %o4, align 1
  ret void
}

; ---- the primitive and shuffles -----------------------------------------------------------------------------------

; C has its own body of this.
define internal <16 x i32> @dtq.dot4.portable(<16 x i32> %acc, <16 x i32> %a, <16 x i32> %b) alwaysinline {
  %x = bitcast <16 x i32> %a to <64 x i8>
  %y = bitcast <16 x i32> %b to <64 x i8>
  %u = zext <64 x i8> %x to <64 x i32>
  %s = sext <64 x i8> %y to <64 x i32>
  %p = mul <64 x i32> %u, %s
  %p0 = shufflevector <64 x i32> %p, <64 x i32> poison, <16 x i32> <i32 0, i32 4, i32 8, i32 12, i32 16, i32 20, i32 24, i32 28, i32 32, i32 36, i32 40, i32 44, i32 48, i32 52, i32 56, i32 60>
  %p1 = shufflevector <64 x i32> %p, <64 x i32> poison, <16 x i32> <i32 1, i32 5, i32 9, i32 13, i32 17, i32 21, i32 25, i32 29, i32 33, i32 37, i32 41, i32 45, i32 49, i32 53, i32 57, i32 61>
  %p2 = shufflevector <64 x i32> %p, <64 x i32> poison, <16 x i32> <i32 2, i32 6, i32 10, i32 14, i32 18, i32 22, i32 26, i32 30, i32 34, i32 38, i32 42, i32 46, i32 50, i32 54, i32 58, i32 62>
  %p3 = shufflevector <64 x i32> %p, <64 x i32> poison, <16 x i32> <i32 3, i32 7, i32 11, i32 15, i32 19, i32 23, i32 27, i32 31, i32 35, i32 39, i32 43, i32 47, i32 51, i32 55, i32 59, i32 63>
  %s0 = add <16 x i32> %p0, %p1
  %s1 = add <16 x i32> %p2, %p3
  %s2 = add <16 x i32> %s0, %s1
  %r = add <16 x i32> %acc, %s2
  ret <16 x i32> %r
}

define void @dot(ptr noalias %in, ptr noalias %out, i64 %n) {
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %up, %loop ]
  %acc = phi <16 x i32> [ splat (i32 2147483000), %entry ], [ %sum, %loop ]
  %p = getelementptr inbounds <16 x i32>, ptr %in, i64 %i
  %a = load <16 x i32>, ptr %p, align 4
  %q = getelementptr inbounds i8, ptr %p, i64 1000
  %b = load <16 x i32>, ptr %q, align 4
  %sum = call <16 x i32> @dtq.dot4.portable(<16 x i32> %acc, <16 x i32> %a, <16 x i32> %b)
  %up = add nuw i64 %i, 1
  %more = icmp ult i64 %up, %n
  br i1 %more, label %loop, label %done
done:
  store <16 x i32> %sum, ptr %out, align 4
  ret void
}

; Halves, joins, interleaving, reversal, broadcast, widening, three blocks of 16 bytes in one, and undefined lanes.
define void @shuffles(ptr %in, ptr %out, i64 %n) {
  %p = getelementptr i8, ptr %in, i64 64
  %a = load <16 x i32>, ptr %in, align 1
  %b = load <16 x i32>, ptr %p, align 1
  %lo = shufflevector <16 x i32> %a, <16 x i32> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %hi = shufflevector <16 x i32> %a, <16 x i32> %b, <8 x i32> <i32 24, i32 25, i32 26, i32 27, i32 28, i32 29, i32 30, i32 31>
  %joined = shufflevector <8 x i32> %lo, <8 x i32> %hi, <16 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7, i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %zip = shufflevector <16 x i32> %joined, <16 x i32> %b, <16 x i32> <i32 0, i32 16, i32 1, i32 17, i32 2, i32 18, i32 3, i32 19, i32 4, i32 20, i32 5, i32 21, i32 6, i32 22, i32 7, i32 23>
  %reversed = shufflevector <16 x i32> %zip, <16 x i32> poison, <16 x i32> <i32 15, i32 14, i32 13, i32 12, i32 11, i32 10, i32 9, i32 8, i32 7, i32 6, i32 5, i32 4, i32 3, i32 2, i32 1, i32 0>
  %spread = shufflevector <16 x i32> %a, <16 x i32> %b, <16 x i32> <i32 21, i32 poison, i32 21, i32 21, i32 21, i32 21, i32 21, i32 21, i32 21, i32 21, i32 21, i32 21, i32 21, i32 21, i32 21, i32 21>
  %picked = shufflevector <16 x i32> %a, <16 x i32> %b, <4 x i32> <i32 0, i32 9, i32 14, i32 30>
  %three = shufflevector <4 x i32> %picked, <4 x i32> poison, <3 x i32> <i32 3, i32 1, i32 0>
  %two = shufflevector <3 x i32> %three, <3 x i32> %three, <2 x i32> <i32 1, i32 5>
  %wider = shufflevector <2 x i32> %two, <2 x i32> poison, <4 x i32> <i32 0, i32 1, i32 poison, i32 poison>
  %first = shufflevector <4 x i32> %wider, <4 x i32> poison, <1 x i32> <i32 1>
  %bytes = bitcast <16 x i32> %a to <64 x i8>
  %odd = shufflevector <64 x i8> %bytes, <64 x i8> poison, <32 x i32> <i32 1, i32 3, i32 5, i32 7, i32 9, i32 11, i32 13, i32 15, i32 17, i32 19, i32 21, i32 23, i32 25, i32 27, i32 29, i32 31, i32 33, i32 35, i32 37, i32 39, i32 41, i32 43, i32 45, i32 47, i32 49, i32 51, i32 53, i32 55, i32 57, i32 59, i32 61, i32 63>
  %four = shufflevector <64 x i8> %bytes, <64 x i8> poison, <4 x i32> <i32 63, i32 17, i32 34, i32 0>
  %word = bitcast <4 x i8> %four to i32
  %again = bitcast i32 %word to <4 x i8>
  %x = sext <4 x i8> %again to <4 x i32>
  %sum = add <16 x i32> %reversed, %spread
  store <16 x i32> %sum, ptr %out, align 1
  %o1 = getelementptr i8, ptr %out, i64 64
  store <3 x i32> %three, ptr %o1, align 1
  %o2 = getelementptr i8, ptr %out, i64 76
  store <1 x i32> %first, ptr %o2, align 1
  %o3 = getelementptr i8, ptr %out, i64 80
  store <32 x i8> %odd, ptr %o3, align 1
  %o4 = getelementptr i8, ptr %out, i64 112
  store <4 x i32> %x, ptr %o4, align 1
  %o5 = getelementptr i8, ptr %out, i64 128
  store <2 x i32> %two, ptr %o5, align 1
  %table = add <4 x i32> %picked, <i32 1, i32 -1, i32 poison, i32 70000>
  %t = extractelement <4 x i32> %table, i32 3
  %o6 = getelementptr i8, ptr %out, i64 136
  store i32 %t, ptr %o6, align 1
  ret void
}

; Products are rounded before they are added: with what the test puts into %in, a fused operation gives other bits.
define void @twice_rounded(ptr %in, ptr %out, i64 %n) {
  %v = load <16 x float>, ptr %in, align 1
  %square = fmul <16 x float> %v, %v
  %sum = fadd <16 x float> %square, splat (float -1.0)
  store <16 x float> %sum, ptr %out, align 1
  %x = load float, ptr %in, align 1
  %y = fmul float %x, %x
  %z = fsub float %y, 1.0
  %o = getelementptr i8, ptr %out, i64 64
  store float %z, ptr %o, align 1
  ret void
}

declare void @llvm.lifetime.start.p0(i64, ptr)
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
declare void @llvm.memmove.p0.p0.i64(ptr, ptr, i64, i1)
declare void @llvm.prefetch.p0(ptr, i32, i32, i32)
declare void @llvm.assume(i1)
